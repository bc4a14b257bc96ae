"""The demo market: accounts, shops and goods to look at, in `catalogue.toml`; `catalogue.py` reads them."""

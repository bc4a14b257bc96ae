"""The demo: the demo market in `catalogue.toml`, and a walkthrough that proves the examples of the specification."""

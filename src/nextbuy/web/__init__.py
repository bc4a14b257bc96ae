"""The web pages of the marketplace: a client of the gateway's public API."""

"""The pages of the shop, a client of the gateway's public API."""

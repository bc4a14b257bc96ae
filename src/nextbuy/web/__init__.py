"""The pages: a client of the gateway's public API, like any other."""

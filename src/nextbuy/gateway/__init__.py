"""The gateway: the only public entry point. It forwards public paths to services and serves the pages."""

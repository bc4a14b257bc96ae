"""HTTP: routing, callers, tokens, service identity, idempotency, paging and the server."""

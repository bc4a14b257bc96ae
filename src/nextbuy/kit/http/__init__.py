"""Public HTTP: routing, callers, idempotency, paging and the server."""

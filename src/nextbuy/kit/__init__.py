"""The mechanisms that all services share: HTTP, internal calls, events, storage, and observability."""

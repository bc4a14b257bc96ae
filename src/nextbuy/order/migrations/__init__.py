"""The database schema of the order service, as plain SQL."""

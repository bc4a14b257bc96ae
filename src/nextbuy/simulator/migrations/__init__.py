"""The database schema of the payment simulator, as plain SQL."""

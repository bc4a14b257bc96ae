"""The database of order, as plain SQL."""

"""The same by mail."""

"""The SQL of analytics."""

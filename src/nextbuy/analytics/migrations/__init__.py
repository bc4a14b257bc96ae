"""Tables of the analytics service."""

"""Tables of the seller service."""

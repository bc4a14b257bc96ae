"""Tables of the admin service."""

"""The product service: what shops offer, whether it may be shown, and how much of it is left."""

"""Product: the products of all shops, their moderation, stock and search."""

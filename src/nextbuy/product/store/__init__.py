"""The SQL of product, by subject."""

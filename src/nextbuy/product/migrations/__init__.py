"""The tables of product, as plain SQL."""

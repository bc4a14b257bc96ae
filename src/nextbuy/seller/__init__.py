"""Seller: shops, their sellers, and the decisions of admins about them."""

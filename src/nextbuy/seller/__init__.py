"""Shops and their sellers."""

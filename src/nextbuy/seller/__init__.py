"""Shops and their sellers: who may sell, and under what name."""

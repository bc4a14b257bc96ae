"""The SQL of the order service: `transitions` and `sessions`, `unmatched_payments`, and `orders` for reads."""

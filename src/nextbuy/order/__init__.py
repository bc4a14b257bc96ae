"""Order: checkouts, payments, and the orders that result."""

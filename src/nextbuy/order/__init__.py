"""Order: payment sessions, what the payment provider says of them, and the orders that come of it."""

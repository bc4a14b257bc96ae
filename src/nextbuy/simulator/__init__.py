"""The payment simulator: stands in for a payment provider, with a hosted page, signed webhooks and redelivery."""

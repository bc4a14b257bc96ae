"""The payment simulator, which stands in for a payment provider."""

"""The SQL of the order service: session transitions, claims, unmatched payments, order reads, and verification."""

"""The people who run the marketplace: decisions on sellers and products, and what they are told."""

"""Events that could not be applied, and what operators do with them."""

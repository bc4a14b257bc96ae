"""All of product's SQL, by subject."""

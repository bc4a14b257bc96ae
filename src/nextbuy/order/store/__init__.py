"""All SQL of order: `sessions` with the orders that come of them, `orders` as they are read, `strays`."""

"""Admin: decisions about products, sellers and accounts, and the notifications of admins."""

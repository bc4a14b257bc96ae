"""What admins, sellers and buyers are told."""

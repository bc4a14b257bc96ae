"""Notifications and e-mails for buyers and sellers."""

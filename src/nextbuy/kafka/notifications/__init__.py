"""Notifications: created from events for admins, buyers and sellers, listed, and marked as read."""

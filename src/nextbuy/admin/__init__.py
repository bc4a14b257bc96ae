"""Admin: moderation and verification queues, and the notifications of admins."""

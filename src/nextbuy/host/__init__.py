"""Puts services together for a topology; nothing else imports them."""

"""Mails: sent to a mail server or stored, and shown to admins."""

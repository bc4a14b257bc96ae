"""Turns events into notifications and figures, and keeps what could not be handled."""

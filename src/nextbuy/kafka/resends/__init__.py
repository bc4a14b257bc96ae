"""Resends: events from the event logs, delivered again on an operator's request."""

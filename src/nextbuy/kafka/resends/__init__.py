"""Resends: events of the event logs that are delivered again on an operator's request."""

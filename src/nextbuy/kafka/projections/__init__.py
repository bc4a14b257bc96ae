"""Figures that are computed from events, and rebuilt from the event logs."""

"""Figures that are made of events, and made again of the event logs."""

"""Projections: figures that are computed from events as they arrive, and rebuilt from the event logs."""

"""The database of the simulator, as plain SQL."""

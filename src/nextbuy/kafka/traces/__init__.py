"""Traces: the interactions of all processes, stored for a time, and found by any id."""

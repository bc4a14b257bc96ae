"""Traces, log lines and stored interactions."""

"""Traces, log lines and the record of interactions."""

"""Traces, log lines, and what they may contain."""

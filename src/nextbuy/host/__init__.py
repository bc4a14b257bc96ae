"""Composition of services into processes; imports everything and is imported by the command line alone."""

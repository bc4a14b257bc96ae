"""The one door: everything from outside comes through here, and reaches public addresses alone."""

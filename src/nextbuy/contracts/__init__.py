"""The contracts between services: typed calls, events and clients, without I/O."""

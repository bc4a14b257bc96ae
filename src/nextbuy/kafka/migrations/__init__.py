"""Tables of the kafka service."""

"""Dead letters (events that could not be applied): listed, replayed and discarded by operators."""

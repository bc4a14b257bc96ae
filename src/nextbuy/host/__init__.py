"""The host: composes services into processes. It imports everything; only the command line imports it."""

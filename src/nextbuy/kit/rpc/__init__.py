"""Calls between services: transports, breakers, retries."""

"""Delivery of events from the bus to the services that subscribe to them."""

"""Kafka: delivers events to the services that subscribe to them, and stores what they reject as dead letters."""

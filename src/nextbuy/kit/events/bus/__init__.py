"""The event bus: one interface, on Redis Streams and on Apache Kafka."""

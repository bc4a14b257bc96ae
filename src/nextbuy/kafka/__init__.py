"""Kafka: turns events into notifications, mails and figures, and stores dead letters for operators."""

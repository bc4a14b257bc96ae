"""The tables of the kit in every service's database: outbox, inbox, dead letters, idempotency."""

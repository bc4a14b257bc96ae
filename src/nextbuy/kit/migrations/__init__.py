"""The tables that the kit keeps in every service's database: outbox, inbox, dead letters, idempotency."""

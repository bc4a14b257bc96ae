"""Events: outbox, relay, event log, inbox, consumer and handlers."""

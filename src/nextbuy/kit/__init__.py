"""What every service needs and none owns: the web seam, calls, transactions, outbox, inbox, bus, telemetry."""

-- oldest release: 0.1.0

CREATE INDEX webhook_events_by_age ON webhook_events (at);
ALTER TABLE webhook_events SET (autovacuum_vacuum_scale_factor = 0.02);

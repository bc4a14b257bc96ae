-- A queue, and what is kept for a time: rows come and go by the thousand, so vacuum follows soon, and at its own speed.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE inbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE idempotency_keys SET (autovacuum_vacuum_scale_factor = 0.02);

-- Events of some topics are read in order without those of the others between them.
CREATE INDEX event_log_of_topic ON event_log (topic, id);

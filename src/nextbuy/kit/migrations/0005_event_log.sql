-- The log and the queue are two things. `event_log` is what this service has published, in the order in which it wrote it: rows are added, and
-- never changed or taken out. `outbox` says which of them still wait for the bus; it is as short as the wait.
ALTER TABLE outbox RENAME TO event_log;
ALTER INDEX outbox_pkey RENAME TO event_log_pkey;
ALTER INDEX outbox_event_id_key RENAME TO event_log_event_id_key;

CREATE TABLE outbox (
    bucket smallint NOT NULL,
    id bigint NOT NULL,
    PRIMARY KEY (bucket, id)
);
INSERT INTO outbox (bucket, id) SELECT bucket, id FROM event_log WHERE published_at IS NULL;

ALTER TABLE event_log DROP COLUMN published_at;
CREATE INDEX event_log_of_key ON event_log (key, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is only ever added to';
END
$$;
CREATE TRIGGER event_log_only_grows BEFORE UPDATE OR DELETE ON event_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

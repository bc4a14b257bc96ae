-- What this service has published, in the order in which it wrote it. Rows are never taken out: once published, they are the event log.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    topic text NOT NULL,
    key text NOT NULL,
    -- A hash of the key: a relay leases buckets, so that no two of them ever publish events of one key at the same time.
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 15),
    -- The span in which it was published; the envelope carries only the one below it.
    parent_span text NOT NULL,
    envelope text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);

-- Holds only what waits, so that looking for work costs the same whether the log has ten rows or ten million.
CREATE INDEX outbox_waiting ON outbox (bucket, id) WHERE published_at IS NULL;

CREATE TABLE outbox_leases (
    bucket smallint PRIMARY KEY,
    token uuid,
    until timestamptz
) WITH (fillfactor = 20);

INSERT INTO outbox_leases (bucket) SELECT generate_series(0, 15);

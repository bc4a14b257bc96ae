-- oldest release: 0.1.0

-- The event log: what this service has published, in the order of writing. Rows are never changed or deleted.
CREATE TABLE event_log (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid        NOT NULL UNIQUE,
    topic       text        NOT NULL,
    key         text        NOT NULL,
    -- Hash of the key. A relay leases buckets, so that no two relays publish events of one key at the same time.
    bucket      smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 15),
    -- The span that published the event; the envelope carries its child.
    parent_span text        NOT NULL,
    envelope    text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_log_of_key ON event_log (key, id);
CREATE INDEX event_log_of_topic ON event_log (topic, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only';
END
$$;
CREATE TRIGGER event_log_append_only BEFORE UPDATE OR DELETE ON event_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The queue: rows of the event log that wait for the bus. It is short, so vacuum runs soon and without delay.
CREATE TABLE outbox (
    bucket smallint NOT NULL,
    id     bigint   NOT NULL,
    PRIMARY KEY (bucket, id)
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE outbox_leases (
    bucket       smallint    PRIMARY KEY,
    leased_until timestamptz NOT NULL
) WITH (fillfactor = 20);
INSERT INTO outbox_leases (bucket, leased_until) SELECT n, '-infinity' FROM generate_series(0, 15) AS n;

-- Events that a handler has applied. The row is written in the handler's transaction, so a duplicate has no effect.
CREATE TABLE inbox (
    handler  text        NOT NULL,
    event_id uuid        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (handler, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

-- Events that a handler could not apply, with the reason and everything that a replay needs.
CREATE TABLE dead_letters (
    id             uuid        PRIMARY KEY,
    -- The delivery and the handler, so that a redelivered event is dead-lettered once.
    delivery_key   text        NOT NULL UNIQUE,
    topic          text        NOT NULL,
    -- Null if the event could not be decoded that far.
    event_id       uuid,
    event_type     text        NOT NULL,
    -- Empty if no handler was reached; a replay then runs all handlers of the topic.
    handler        text        NOT NULL,
    reason         text        NOT NULL,
    error_chain    text[]      NOT NULL,
    attempts       integer     NOT NULL,
    failed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The bytes as they arrived; not necessarily JSON or text.
    envelope       bytea       NOT NULL,
    status         text        NOT NULL DEFAULT 'waiting'
                               CHECK (status IN ('waiting', 'replaying', 'replayed', 'discarded')),
    replays        integer     NOT NULL DEFAULT 0,
    -- The latest replay by filter that includes this dead letter.
    replay_id      uuid,
    -- When its replay is due. The moment that a claim writes here is the lease of the process that replays it.
    due_at         timestamptz,
    -- Equal to `due_at` after a transient failure, which tells a delayed letter from a claimed one.
    delayed_until  timestamptz,
    resolved_at    timestamptz,
    discard_reason text        NOT NULL DEFAULT '',
    CHECK ((status = 'replaying') = (due_at IS NOT NULL)),
    CHECK ((status IN ('replayed', 'discarded')) = (resolved_at IS NOT NULL))
);
CREATE INDEX dead_letters_due ON dead_letters (id) WHERE due_at IS NOT NULL;
CREATE INDEX dead_letters_by_status ON dead_letters (status, id);
CREATE INDEX dead_letters_resolved ON dead_letters (resolved_at) WHERE status IN ('replayed', 'discarded');

-- Requests to replay all dead letters that match a filter, with their progress.
CREATE TABLE replays (
    id           uuid        PRIMARY KEY,
    requested_by text        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    filter       jsonb       NOT NULL,
    total        integer     NOT NULL,
    -- How many more dead letters match than one replay may include.
    over_limit   integer     NOT NULL,
    done         integer     NOT NULL DEFAULT 0,
    failed       integer     NOT NULL DEFAULT 0,
    -- Why the replay is delayed, or empty.
    blocked_by   text        NOT NULL DEFAULT '',
    finished_at  timestamptz
);

-- Requests with an Idempotency-Key, and their encrypted responses.
CREATE TABLE idempotency_keys (
    scope        text        NOT NULL,
    key          text        NOT NULL,
    fingerprint  bytea       NOT NULL,
    attempt      uuid        NOT NULL,
    leased_until timestamptz NOT NULL,
    response     bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- oldest release: 0.2.0

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

-- Events that the bus rejects for their size or form, with its error. They are no longer in the outbox, and a replay puts
-- them back. A discarded event stays here: it is in the log and, by an operator's decision, not on the bus.
CREATE TABLE parked_events (
    id        bigint      PRIMARY KEY,
    reason    text        NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE outbox_leases (
    bucket       smallint    PRIMARY KEY,
    leased_until timestamptz NOT NULL
) WITH (fillfactor = 20);
INSERT INTO outbox_leases (bucket, leased_until) SELECT n, '-infinity' FROM generate_series(0, 15) AS n;

-- Events that a subscription has applied or rejected. The row is written in the transaction of the handler's effect, so
-- a duplicate has no effect.
CREATE TABLE inbox (
    subscription text        NOT NULL,
    event_id     uuid        NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    -- Why the event was rejected; null if it was applied.
    rejection    text,
    PRIMARY KEY (subscription, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

-- The beginning of each subscription; earlier events are not applied.
CREATE TABLE subscriptions (
    name       text        PRIMARY KEY,
    begins_at  timestamptz NOT NULL,
    -- When this service first started with it.
    started_at timestamptz NOT NULL DEFAULT now()
);

-- The event of a topic up to which the comparison found an inbox row for every event, and its position in its publisher's
-- event log. It is beside the inbox, so that a backup restores both together.
CREATE TABLE compared_positions (
    subscription text   NOT NULL,
    topic        text   NOT NULL,
    position     bigint NOT NULL,
    event_id     uuid   NOT NULL,
    PRIMARY KEY (subscription, topic)
) WITH (fillfactor = 50);

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

-- The audit log: operations of admins and operators, inserted in the transaction of the operation and never changed.
CREATE TABLE audit (
    id      uuid        PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- An account's id, or `terminal:` and the user of the operating system.
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject text        NOT NULL,
    details jsonb       NOT NULL
);

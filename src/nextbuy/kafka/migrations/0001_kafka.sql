-- oldest release: 0.2.0

-- Dead letters: events that a subscription or the bus rejected, with the reason and everything that a replay needs.
CREATE TABLE dead_letters (
    id             uuid        PRIMARY KEY,
    -- Names the subscription and the event, so that an event that is delivered again is dead-lettered once.
    delivery_key   text        NOT NULL UNIQUE,
    topic          text        NOT NULL,
    -- Null if no id could be decoded.
    event_id       uuid,
    event_type     text        NOT NULL,
    -- The service and its subscription. Both are empty for a parked event, which a replay puts back into the outbox, and
    -- for an event that could not be decoded, which a replay delivers to every subscription of its topic.
    destination    text        NOT NULL,
    subscription   text        NOT NULL,
    -- The service that has parked the event, because the bus rejected it; empty if a subscription rejected the event.
    publisher      text        NOT NULL DEFAULT '',
    reason         text        NOT NULL,
    error_chain    text[]      NOT NULL,
    attempts       integer     NOT NULL,
    failed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The bytes as they arrived; not necessarily JSON or text.
    envelope       bytea       NOT NULL,
    -- The event's position in its publisher's event log; 0 if it arrived without a valid one.
    position       bigint      NOT NULL,
    status         text        NOT NULL DEFAULT 'waiting'
                               CHECK (status IN ('waiting', 'replaying', 'replayed', 'discarded')),
    replays        integer     NOT NULL DEFAULT 0,
    -- The latest replay by filter that includes this dead letter.
    replay_id      uuid,
    -- When its replay is due. A process claims it by moving this ahead; see `nextbuy.kit.storage.leases`.
    due_at         timestamptz,
    -- Equal to `due_at` after a transient failure, which tells a delayed replay from a claimed one.
    delayed_until  timestamptz,
    resolved_at    timestamptz,
    discard_reason text        NOT NULL DEFAULT '',
    CHECK ((status = 'replaying') = (due_at IS NOT NULL)),
    CHECK ((status IN ('replayed', 'discarded')) = (resolved_at IS NOT NULL))
);
CREATE INDEX dead_letters_due ON dead_letters (id) WHERE due_at IS NOT NULL;
CREATE INDEX dead_letters_by_status ON dead_letters (status, id);
CREATE INDEX dead_letters_resolved ON dead_letters (resolved_at) WHERE status IN ('replayed', 'discarded');

-- Destinations that accept no events; a row is refreshed while that lasts.
CREATE TABLE outages (
    destination text        PRIMARY KEY,
    since       timestamptz NOT NULL,
    failed_at   timestamptz NOT NULL,
    attempts    bigint      NOT NULL,
    reason      text        NOT NULL
);

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

-- The lease of the copy of this service that compares event logs with inboxes; `due_at` is when the next round is due.
CREATE TABLE comparison_leases (
    name   text        PRIMARY KEY,
    due_at timestamptz NOT NULL
);
INSERT INTO comparison_leases (name, due_at) VALUES ('comparison', '-infinity');

-- Findings of the comparison, for operators: missing events, lost dead letters, and restored event logs.
CREATE TABLE comparison_findings (
    id             uuid        PRIMARY KEY,
    kind           text        NOT NULL CHECK (kind IN ('missing-events', 'lost-dead-letters', 'restored-log')),
    -- The destination, or the publisher whose event log was restored.
    service        text        NOT NULL,
    topic          text        NOT NULL,
    subscriptions  text[]      NOT NULL,
    events         integer     NOT NULL,
    first_event_id uuid,
    found_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the service had all of the events or dead letters; a later loss is another finding.
    repaired_at    timestamptz
);
CREATE UNIQUE INDEX open_comparison_findings ON comparison_findings (kind, service, topic, first_event_id)
    NULLS NOT DISTINCT WHERE repaired_at IS NULL;
CREATE INDEX comparison_findings_by_age ON comparison_findings (found_at);

-- Requests to deliver events from the event logs again, with their progress.
CREATE TABLE resends (
    id           uuid        PRIMARY KEY,
    requested_by text        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    selection    jsonb       NOT NULL,
    -- Empty for all destinations.
    destination  text        NOT NULL,
    -- The progress in the event log of each service.
    event_logs   jsonb       NOT NULL,
    events       bigint      NOT NULL DEFAULT 0,
    -- Why the resend is delayed, or empty.
    blocked_by   text        NOT NULL DEFAULT '',
    finished_at  timestamptz,
    -- A process claims a resend by moving this ahead; see `nextbuy.kit.storage.leases`.
    due_at       timestamptz DEFAULT now(),
    CHECK ((finished_at IS NULL) = (due_at IS NOT NULL))
);
CREATE INDEX resends_due ON resends (id) WHERE due_at IS NOT NULL;

-- oldest release: 0.2.0

-- Events that a subscription rejected, with the reason and everything that a replay needs.
CREATE TABLE dead_letters (
    id             uuid        PRIMARY KEY,
    -- The subscription and the event, so that a redelivered event is dead-lettered once.
    delivery_key   text        NOT NULL UNIQUE,
    topic          text        NOT NULL,
    -- Null if the event could not be decoded that far.
    event_id       uuid,
    event_type     text        NOT NULL,
    -- The service and its subscription; both empty if the event is parked, or could not be decoded: a replay then puts it
    -- back into the outbox, or delivers it to all of its topic.
    destination    text        NOT NULL,
    subscription   text        NOT NULL,
    -- The service whose event the bus rejected, and which has parked it; empty if a subscription rejected the event.
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

-- Destinations that take no events, refreshed while that lasts.
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

-- What comparisons have found, for operators: events that a service lacked, dead letters that were lost, restored logs.
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
    -- When the service had all of it; what it loses after that is another finding.
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
    -- Empty for all.
    destination  text        NOT NULL,
    -- The progress in the event log of each service.
    sources      jsonb       NOT NULL,
    events       bigint      NOT NULL DEFAULT 0,
    -- Why the resend is delayed, or empty.
    blocked_by   text        NOT NULL DEFAULT '',
    finished_at  timestamptz,
    -- A process claims a resend by moving this ahead; see `nextbuy.kit.storage.leases`.
    due_at       timestamptz DEFAULT now(),
    CHECK ((finished_at IS NULL) = (due_at IS NOT NULL))
);
CREATE INDEX resends_due ON resends (id) WHERE due_at IS NOT NULL;

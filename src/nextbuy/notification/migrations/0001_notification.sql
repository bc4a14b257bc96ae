-- oldest release: 0.2.0

-- Notifications of buyers and sellers, inserted in the transaction of the inbox, once for each event, account and kind.
CREATE TABLE notifications (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL,
    source_event_id uuid        NOT NULL,
    kind            text        NOT NULL,
    title           text        NOT NULL,
    message         text        NOT NULL,
    link            text        NOT NULL,
    -- The shop, product or payment session that it concerns, such as `shop:<id>`.
    about           text        NOT NULL,
    -- The publisher of the event, the time of the event, and its position in the publisher's event log. Positions order
    -- the events of one publisher.
    source          text        NOT NULL,
    occurred_at     timestamptz NOT NULL,
    position        bigint      NOT NULL,
    read            boolean     NOT NULL DEFAULT false,
    UNIQUE (source_event_id, account_id, kind)
);
CREATE INDEX notifications_newest ON notifications (account_id, occurred_at DESC, position DESC, id DESC);
CREATE INDEX notifications_of_thing ON notifications (account_id, about);
CREATE INDEX notifications_unread ON notifications (account_id) WHERE NOT read;

-- Mails of notifications. A sender claims a mail by moving `due_at` ahead; see `nextbuy.kit.storage.leases`.
CREATE TABLE mails (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL,
    source_event_id uuid        NOT NULL,
    kind            text        NOT NULL,
    about           text        NOT NULL,
    -- Whether a newer notification with the same `about` makes it wrong, so that it must not be sent any more.
    reports_state   boolean     NOT NULL,
    subject         text        NOT NULL,
    body            text        NOT NULL,
    -- The trace of the event, for log lines about its mail.
    traceparent     text        NOT NULL DEFAULT '',
    correlation_id  text        NOT NULL DEFAULT '',
    status          text        NOT NULL DEFAULT 'waiting'
                                CHECK (status IN ('waiting', 'sent', 'stored', 'failed', 'superseded')),
    recipient       text        NOT NULL DEFAULT '',
    reason          text        NOT NULL DEFAULT '',
    attempts        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz DEFAULT now(),
    -- When it began to fail; the last error is in `reason`.
    failing_since   timestamptz,
    -- Equal to `due_at` after a failed attempt, which tells a delayed mail from one that is being sent.
    delayed_until   timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    done_at         timestamptz,
    UNIQUE (source_event_id, account_id, kind),
    CHECK ((status = 'waiting') = (due_at IS NOT NULL)),
    CHECK ((status = 'waiting') = (done_at IS NULL))
);
CREATE INDEX mails_due ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_failing ON mails (failing_since) WHERE due_at IS NOT NULL AND failing_since IS NOT NULL;
CREATE INDEX mails_waiting_about ON mails (account_id, about) WHERE due_at IS NOT NULL;
CREATE INDEX mails_by_status ON mails (status, id DESC);
CREATE INDEX mails_by_age ON mails (created_at);

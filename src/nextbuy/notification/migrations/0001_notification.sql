-- oldest release: 0.1.0

-- Notifications of buyers and sellers, inserted in the transaction of the inbox, once for each event, account and kind.
CREATE TABLE notifications (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL,
    source_event_id uuid        NOT NULL,
    kind            text        NOT NULL,
    title           text        NOT NULL,
    message         text        NOT NULL,
    link            text        NOT NULL,
    read            boolean     NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_event_id, account_id, kind)
);
CREATE INDEX notifications_by_account ON notifications (account_id, id DESC);
CREATE INDEX notifications_unread ON notifications (account_id) WHERE NOT read;

-- Mails of notifications. A sender claims a mail by moving `due_at` ahead; see `nextbuy.kit.storage.leases`.
CREATE TABLE mails (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL,
    source_event_id uuid        NOT NULL,
    kind            text        NOT NULL,
    subject         text        NOT NULL,
    body            text        NOT NULL,
    -- The trace of the event, for log lines about its mail.
    traceparent     text        NOT NULL DEFAULT '',
    correlation_id  text        NOT NULL DEFAULT '',
    status          text        NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'sent', 'stored', 'failed')),
    recipient       text        NOT NULL DEFAULT '',
    reason          text        NOT NULL DEFAULT '',
    attempts        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz DEFAULT now(),
    -- Since when it fails, and the time to which it was rescheduled; the last error is in `reason`.
    failing_since   timestamptz,
    delayed_until   timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    done_at         timestamptz,
    UNIQUE (source_event_id, account_id, kind),
    CHECK ((status = 'waiting') = (due_at IS NOT NULL)),
    CHECK ((status = 'waiting') = (done_at IS NULL))
);
CREATE INDEX mails_due ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_failing ON mails (failing_since) WHERE due_at IS NOT NULL AND failing_since IS NOT NULL;
CREATE INDEX mails_by_status ON mails (status, id DESC);
CREATE INDEX mails_by_age ON mails (created_at);

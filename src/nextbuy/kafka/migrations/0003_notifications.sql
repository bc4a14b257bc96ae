-- oldest release: 0.1.0

-- What sellers and buyers are told. Rows are written in the transaction of the inbox, once for each event and account.
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
CREATE INDEX notifications_of_account ON notifications (account_id, id DESC);
CREATE INDEX notifications_unread ON notifications (account_id) WHERE NOT read;

-- The same by mail. Whoever hands a mail over moves `due_at` ahead, and the moment that he wrote is the proof that he has it.
CREATE TABLE mails (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL,
    source_event_id uuid        NOT NULL,
    kind            text        NOT NULL,
    subject         text        NOT NULL,
    body            text        NOT NULL,
    -- What its event was part of, for the log.
    traceparent     text        NOT NULL DEFAULT '',
    correlation_id  text        NOT NULL DEFAULT '',
    status          text        NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'sent', 'kept', 'failed')),
    recipient       text        NOT NULL DEFAULT '',
    reason          text        NOT NULL DEFAULT '',
    attempts        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    done_at         timestamptz,
    UNIQUE (source_event_id, account_id, kind),
    CHECK ((status = 'waiting') = (due_at IS NOT NULL)),
    CHECK ((status = 'waiting') = (done_at IS NULL))
);
CREATE INDEX mails_due ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_of_status ON mails (status, id DESC);
CREATE INDEX mails_old ON mails (created_at);

-- oldest release: 0.1.0

-- Notifications that all admins share; one for each event and kind.
CREATE TABLE notifications (
    id              uuid        PRIMARY KEY,
    source_event_id uuid        NOT NULL,
    kind            text        NOT NULL,
    title           text        NOT NULL,
    message         text        NOT NULL,
    link            text        NOT NULL,
    read            boolean     NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_event_id, kind)
);
CREATE INDEX notifications_newest ON notifications (created_at DESC, id DESC);
CREATE INDEX notifications_unread ON notifications (id) WHERE NOT read;

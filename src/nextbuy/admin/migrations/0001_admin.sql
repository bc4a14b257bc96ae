-- oldest release: 0.2.0

-- Notifications for all admins; one for each event and kind, or for each shop and day of new products.
CREATE TABLE notifications (
    id              uuid        PRIMARY KEY,
    source_event_id uuid        NOT NULL,
    kind            text        NOT NULL,
    title           text        NOT NULL,
    message         text        NOT NULL,
    link            text        NOT NULL,
    -- The time of the event and its position in its publisher's event log, by which notifications are listed.
    occurred_at     timestamptz NOT NULL,
    position        bigint      NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- Only for a notification that counts the new products of a shop on a day (UTC).
    shop_id         uuid,
    day             date,
    products        integer,
    UNIQUE (source_event_id, kind),
    UNIQUE (shop_id, day)
);
CREATE INDEX notifications_newest ON notifications (occurred_at DESC, position DESC, id DESC);
CREATE INDEX notifications_by_age ON notifications (created_at);

-- The read marks of each admin.
CREATE TABLE notification_reads (
    account_id      uuid NOT NULL,
    notification_id uuid NOT NULL REFERENCES notifications ON DELETE CASCADE,
    PRIMARY KEY (account_id, notification_id)
);
CREATE INDEX notification_reads_of_notification ON notification_reads (notification_id);

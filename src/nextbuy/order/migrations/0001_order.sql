-- oldest release: 0.2.0

-- The rows of sessions, orders, order lines and unmatched payments can be restored from the event log. So every column
-- but leases and schedules comes from an event (`order/history.py`), and each time is the time of an event.

CREATE SEQUENCE checkout_serials;

-- A payment session: a basket in checkout. What is still due is stored in the row, so a crash loses nothing:
-- `expiry_due_at`, `release_due_at` and `completion_due_at` are the times of the next action, and null if none is due.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    -- Order numbers are derived from it. Assigned when the payment arrives.
    serial bigint UNIQUE,
    buyer_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN
        ('opening', 'open', 'paying', 'paid', 'refund-due', 'given-up', 'refunded', 'failed', 'expired')),
    total bigint NOT NULL CHECK (total >= 0),
    currency text NOT NULL,
    lines jsonb NOT NULL,
    -- The end of the time to pay.
    expires_at timestamptz NOT NULL,
    payment_id text,
    payment_url text,
    -- The amount that arrived: the session's total, or it is refunded.
    received bigint,
    received_currency text,
    paid_at timestamptz,
    -- A code, such as 'sold-out'; of a declined payment, the provider's own words.
    reason text,
    refund_id text,
    -- Why an admin gave up its completion or refund, which are then done by hand.
    give_up_note text,
    traceparent text NOT NULL,
    correlation_id text NOT NULL,
    created_at timestamptz NOT NULL,
    -- When the session expires: at `expires_at`, but earlier as long as it has no payment page.
    expiry_due_at timestamptz,
    -- When its held stock is to be released. A claim moves this ahead, and the time written is the fencing token.
    release_due_at timestamptz,
    release_attempts integer NOT NULL DEFAULT 0,
    -- When it began to fail, the last error, and the time to which it was rescheduled; see `nextbuy.kit.storage.leases`.
    release_failing_since timestamptz,
    release_failure text,
    release_delayed_until timestamptz,
    -- When its payment is to become orders or a refund; claimed in the same way.
    completion_due_at timestamptz,
    completion_attempts integer NOT NULL DEFAULT 0,
    completion_failing_since timestamptz,
    completion_failure text,
    completion_delayed_until timestamptz,
    CHECK (status NOT IN ('paying', 'refund-due') OR (completion_due_at IS NOT NULL AND payment_id IS NOT NULL)),
    CHECK (status NOT IN ('paying', 'paid') OR serial IS NOT NULL),
    CHECK (status NOT IN ('opening', 'open') OR expiry_due_at IS NOT NULL)
);

ALTER SEQUENCE checkout_serials OWNED BY sessions.serial;

CREATE INDEX sessions_expiry_due ON sessions (expiry_due_at) WHERE expiry_due_at IS NOT NULL;
CREATE INDEX sessions_release_due ON sessions (release_due_at) WHERE release_due_at IS NOT NULL;
CREATE INDEX sessions_completion_due ON sessions (completion_due_at) WHERE completion_due_at IS NOT NULL;
-- For the list of stuck work.
CREATE INDEX sessions_release_failing ON sessions (release_failing_since)
    WHERE release_due_at IS NOT NULL AND release_failing_since IS NOT NULL;
CREATE INDEX sessions_completion_failing ON sessions (completion_failing_since)
    WHERE completion_due_at IS NOT NULL AND completion_failing_since IS NOT NULL;

-- Postal addresses of checkouts. They are not in the event log, which is permanent, so that they can be erased. Without a
-- foreign key, they survive the loss of sessions, and restored orders have them again.
CREATE TABLE postal_addresses (
    session_id uuid PRIMARY KEY,
    buyer_id uuid NOT NULL,
    address jsonb NOT NULL
);

-- To erase the addresses of a buyer.
CREATE INDEX postal_addresses_by_buyer ON postal_addresses (buyer_id);

-- The provider's events that were seen; a row is written in the transaction of the event's effect. Not restored: the
-- states of sessions and payments also refuse a duplicate.
CREATE TABLE webhook_events (
    id text PRIMARY KEY,
    type text NOT NULL,
    session_id uuid,
    received_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX webhook_events_by_age ON webhook_events (received_at);

-- Payments that match no open checkout, or that came for one a second time. Each is refunded.
CREATE TABLE unmatched_payments (
    payment_id text PRIMARY KEY,
    session_id uuid,
    -- Null if the session does not exist.
    buyer_id uuid,
    amount bigint NOT NULL,
    currency text NOT NULL,
    -- A code, such as 'unmatched'.
    reason text NOT NULL,
    refund_id text,
    -- Why an admin gave up its refund, which is then made by hand.
    give_up_note text,
    traceparent text NOT NULL,
    correlation_id text NOT NULL,
    received_at timestamptz NOT NULL,
    -- When the refund is to be requested; claimed as in `sessions`. Null once it is made or given up.
    refund_due_at timestamptz,
    refund_attempts integer NOT NULL DEFAULT 0,
    refund_failing_since timestamptz,
    refund_failure text,
    refund_delayed_until timestamptz
);

CREATE INDEX unmatched_payments_refund_due ON unmatched_payments (refund_due_at) WHERE refund_due_at IS NOT NULL;
CREATE INDEX unmatched_payments_refund_failing ON unmatched_payments (refund_failing_since)
    WHERE refund_due_at IS NOT NULL AND refund_failing_since IS NOT NULL;
-- For reads of everything that belongs to a session.
CREATE INDEX unmatched_payments_by_session ON unmatched_payments (session_id) WHERE session_id IS NOT NULL;

CREATE TABLE orders (
    id uuid PRIMARY KEY,
    number text NOT NULL UNIQUE,
    session_id uuid NOT NULL REFERENCES sessions,
    buyer_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    seller_id uuid NOT NULL,
    status text NOT NULL,
    total bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (session_id, shop_id)
);

CREATE INDEX orders_by_buyer ON orders (buyer_id, id DESC);
CREATE INDEX orders_by_seller ON orders (seller_id, id DESC);

CREATE TABLE order_lines (
    order_id uuid NOT NULL REFERENCES orders,
    position smallint NOT NULL,
    product_id uuid NOT NULL,
    title text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price bigint NOT NULL,
    PRIMARY KEY (order_id, position)
);

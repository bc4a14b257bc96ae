-- oldest release: 0.2.0

-- A payment: opened by the marketplace, decided once by a buyer, expired, or refunded.
CREATE TABLE payments (
    id text PRIMARY KEY,
    -- The id of the marketplace's payment session.
    reference uuid NOT NULL UNIQUE,
    amount bigint NOT NULL CHECK (amount >= 0),
    currency text NOT NULL,
    description text NOT NULL,
    return_url text NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'paid', 'declined', 'expired', 'refunded')),
    expires_at timestamptz NOT NULL,
    refund_id text UNIQUE,
    refund_reason text,
    traceparent text NOT NULL,
    correlation_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'refunded') = (refund_id IS NOT NULL))
);

CREATE INDEX payments_by_expiry ON payments (expires_at) WHERE status = 'open';

-- Webhooks: stored in the transaction of the change that they report, and sent until the marketplace accepts them or they are given up.
CREATE TABLE webhooks (
    event_id text PRIMARY KEY,
    payment_id text NOT NULL REFERENCES payments,
    type text NOT NULL,
    body text NOT NULL,
    traceparent text NOT NULL,
    correlation_id text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    -- When it is to be sent. A claim moves this ahead, and the time written is the fencing token. Null once it is
    -- delivered, or given up.
    due_at timestamptz DEFAULT now(),
    -- When it began to fail, the last error, and the time to which it was rescheduled; see `nextbuy.kit.storage.leases`.
    failing_since timestamptz,
    failure text,
    delayed_until timestamptz,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX webhooks_due ON webhooks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhooks_failing ON webhooks (failing_since) WHERE due_at IS NOT NULL AND failing_since IS NOT NULL;

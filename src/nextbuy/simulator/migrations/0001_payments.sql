-- oldest release: 0.1.0

CREATE TABLE payments (
    id text PRIMARY KEY,
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

CREATE INDEX payments_to_expire ON payments (expires_at) WHERE status = 'open';

-- Webhooks: written with what they tell of, and sent until they are taken.
CREATE TABLE deliveries (
    event_id text PRIMARY KEY,
    payment_id text NOT NULL REFERENCES payments,
    type text NOT NULL,
    body text NOT NULL,
    traceparent text NOT NULL,
    correlation_id text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    -- When it is to be sent; whoever sends it moves this ahead. Null once it is taken, or given up.
    due_at timestamptz DEFAULT now(),
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;

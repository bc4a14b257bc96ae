-- oldest release: 0.1.0

-- A basket on its way to be paid. What is still to be done about it stands in the row itself, so a crash forgets nothing:
-- `ends_at`, `release_at` and `work_at` say when somebody must look at it next, and are null where nobody has to.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    -- What order numbers are made of.
    serial bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    buyer_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN
        ('opening', 'open', 'paying', 'paid', 'refund-due', 'refunded', 'failed', 'expired')),
    total bigint NOT NULL CHECK (total >= 0),
    currency text NOT NULL,
    lines jsonb NOT NULL,
    address jsonb,
    expires_at timestamptz NOT NULL,
    payment_id text,
    payment_url text,
    -- The money that has come; it is the session's total, or it goes back.
    received bigint,
    received_currency text,
    money_at timestamptz,
    reason text,
    refund_id text,
    traceparent text NOT NULL,
    correlation_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When it lapses; a session that never got as far as a payment page lapses earlier than it expires.
    ends_at timestamptz,
    -- When its units are to be given back. Whoever takes that on moves it ahead, and the moment he wrote is the proof that he has it.
    release_at timestamptz,
    release_tries integer NOT NULL DEFAULT 0,
    -- When its money is to be turned into orders or sent back; taken on in the same way.
    work_at timestamptz,
    work_tries integer NOT NULL DEFAULT 0,
    CHECK (status NOT IN ('paying', 'refund-due') OR (work_at IS NOT NULL AND payment_id IS NOT NULL)),
    CHECK (status NOT IN ('opening', 'open') OR ends_at IS NOT NULL)
);

CREATE INDEX sessions_to_end ON sessions (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX sessions_to_release ON sessions (release_at) WHERE release_at IS NOT NULL;
CREATE INDEX sessions_to_work_on ON sessions (work_at) WHERE work_at IS NOT NULL;

-- What the provider has said; the row is written in the transaction that does what it said.
CREATE TABLE webhook_events (
    id text PRIMARY KEY,
    type text NOT NULL,
    session_id uuid,
    at timestamptz NOT NULL DEFAULT now()
);

-- Money that belongs to no session, or came for one a second time: it goes back.
CREATE TABLE stray_payments (
    payment_id text PRIMARY KEY,
    session_id uuid,
    -- Known where the session is.
    buyer_id uuid,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    refund_id text,
    traceparent text NOT NULL,
    correlation_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    work_at timestamptz,
    work_tries integer NOT NULL DEFAULT 0
);

CREATE INDEX stray_payments_to_work_on ON stray_payments (work_at) WHERE work_at IS NOT NULL;

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
    address jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (session_id, shop_id)
);

CREATE INDEX orders_of_buyer ON orders (buyer_id, id DESC);
CREATE INDEX orders_of_seller ON orders (seller_id, id DESC);

CREATE TABLE order_lines (
    order_id uuid NOT NULL REFERENCES orders,
    position smallint NOT NULL,
    product_id uuid NOT NULL,
    title text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price bigint NOT NULL,
    PRIMARY KEY (order_id, position)
);

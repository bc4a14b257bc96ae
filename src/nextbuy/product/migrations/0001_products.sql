-- oldest release: 0.1.0

-- `changed_in`, in each table, is the transaction of the last change: whoever kept a snapshot can ask what was committed since,
-- exactly, however long those transactions took. Every statement that changes what readers are shown sets it.

-- What seller has said of its shops; a word of a lower version than the one kept is an old one, and is passed over.
CREATE TABLE shops (
    shop_id    uuid        PRIMARY KEY,
    seller_id  uuid        NOT NULL,
    name       text        NOT NULL,
    status     text        NOT NULL,
    -- A column of its own, because the planner takes a truth nobody has counted for a likely one, and a text for a rare one.
    approved   boolean     NOT NULL GENERATED ALWAYS AS (status = 'approved') STORED,
    version    bigint      NOT NULL,
    changed_in xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX shops_by_change ON shops (changed_in);

-- `stock` is what can still be bought, `held` what sessions keep, `sold` what is gone; a purchase moves units between them and nothing else.
-- Those three are in no index and the pages have room, so that selling rewrites no index (heap-only updates).
CREATE TABLE products (
    id            uuid        PRIMARY KEY,
    shop_id       uuid        NOT NULL REFERENCES shops,
    seller_id     uuid        NOT NULL,
    slug          text        NOT NULL UNIQUE,
    stock         integer     NOT NULL CHECK (stock >= 0),
    held          integer     NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold          bigint      NOT NULL DEFAULT 0 CHECK (sold >= 0),
    price_amount  bigint      NOT NULL CHECK (price_amount > 0),
    currency      text        NOT NULL,
    -- The price that was last accepted: at the first review, or by an admin.
    judged_amount bigint      NOT NULL,
    status        text        NOT NULL CHECK (status IN ('active', 'pending', 'rejected')),
    -- The admin who refused it, until one approves it.
    refused_by    uuid,
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- Changes of units by sessions are told by those (`stock_sessions.changed_in`).
    changed_in    xid8        NOT NULL DEFAULT pg_current_xact_id(),
    category      text        NOT NULL,
    tags          text[]      NOT NULL,
    title         text        NOT NULL,
    description   text        NOT NULL,
    moderation    jsonb       NOT NULL,
    search        tsvector    NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX products_by_change ON products (changed_in);
CREATE INDEX products_by_seller ON products (seller_id, created_at, id);
CREATE INDEX products_by_status ON products (status, created_at, id) WHERE status <> 'active';
-- Lists of all goods are chosen from these two alone, shop included; an index of an expression cannot do that.
CREATE INDEX products_latest ON products (created_at, id) INCLUDE (shop_id) WHERE status = 'active';
CREATE INDEX products_by_price ON products (price_amount, id) INCLUDE (shop_id) WHERE status = 'active';
CREATE INDEX products_latest_of_category ON products (lower(category), created_at, id) WHERE status = 'active';
CREATE INDEX products_by_price_of_category ON products (lower(category), price_amount, id) WHERE status = 'active';
-- Offers are searched far more often than they are changed, so no search may have to read a list of words not yet filed.
CREATE INDEX products_by_words ON products USING gin (search) WITH (fastupdate = off) WHERE status = 'active';
CREATE INDEX products_by_words_of_title ON products USING gin (to_tsvector('english', title)) WITH (fastupdate = off)
 WHERE status = 'active';

-- What a payment session keeps, has sold, or has given back. The units are in the row itself, so that whoever changes its state
-- has them in the same statement, whatever that statement's snapshot shows. A row that is released from its beginning forbids a hold.
CREATE TABLE stock_sessions (
    session_id  uuid        PRIMARY KEY,
    state       text        NOT NULL CHECK (state IN ('held', 'sold', 'released')),
    product_ids uuid[]      NOT NULL,
    quantities  integer[]   NOT NULL CHECK (cardinality(quantities) = cardinality(product_ids)),
    expires_at  timestamptz NOT NULL,
    changed_in  xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX stock_sessions_by_change ON stock_sessions (changed_in);
CREATE INDEX stock_sessions_by_expiry ON stock_sessions (expires_at) WHERE state = 'held';

-- oldest release: 0.2.0

-- `changed_in`, in each table, is the transaction of the last change. A reader with a snapshot asks for the changes that
-- were committed since, exactly, regardless of how long the transactions took. Every statement that changes what buyers
-- see sets it.

-- The state of shops as seller published it; an event with a lower version is ignored.
CREATE TABLE shops (
    shop_id    uuid        PRIMARY KEY,
    seller_id  uuid        NOT NULL,
    name       text        NOT NULL,
    status     text        NOT NULL,
    -- A column, because the planner takes a boolean without statistics for likely, and an equality of texts for rare.
    approved   boolean     NOT NULL GENERATED ALWAYS AS (status = 'approved') STORED,
    version    bigint      NOT NULL,
    changed_in xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX shops_by_change ON shops (changed_in);

-- `stock` can still be bought, `held` belongs to open sessions, `sold` is sold; a purchase only moves units between them.
-- The three are in no index and pages have room, so that purchases are heap-only updates.
CREATE TABLE products (
    id              uuid        PRIMARY KEY,
    shop_id         uuid        NOT NULL REFERENCES shops,
    seller_id       uuid        NOT NULL,
    slug            text        NOT NULL UNIQUE,
    stock           integer     NOT NULL CHECK (stock >= 0),
    held            integer     NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold            bigint      NOT NULL DEFAULT 0 CHECK (sold >= 0),
    price_amount    bigint      NOT NULL CHECK (price_amount > 0),
    currency        text        NOT NULL,
    -- The last accepted price: at the first review, or by an admin.
    accepted_amount bigint      NOT NULL,
    status          text        NOT NULL CHECK (status IN ('active', 'pending', 'rejected')),
    -- The admin who rejected the product, until an admin approves it.
    rejected_by     uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- Not set by changes of held and sold units, for which `stock_holds.changed_in` is set.
    changed_in      xid8        NOT NULL DEFAULT pg_current_xact_id(),
    category        text        NOT NULL,
    tags            text[]      NOT NULL,
    title           text        NOT NULL,
    description     text        NOT NULL,
    moderation      jsonb       NOT NULL,
    search          tsvector    NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX products_by_change ON products (changed_in);
CREATE INDEX products_by_seller ON products (seller_id, created_at, id);
CREATE INDEX products_by_status ON products (status, created_at, id) WHERE status <> 'active';
-- These two include the shop for index-only scans of lists; an index on an expression cannot do that.
CREATE INDEX products_latest ON products (created_at, id) INCLUDE (shop_id) WHERE status = 'active';
CREATE INDEX products_by_price ON products (price_amount, id) INCLUDE (shop_id) WHERE status = 'active';
CREATE INDEX products_latest_of_category ON products (lower(category), created_at, id) WHERE status = 'active';
CREATE INDEX products_by_price_of_category ON products (lower(category), price_amount, id) WHERE status = 'active';
-- Products are searched far more often than changed, so searches never scan a pending list (fastupdate).
CREATE INDEX products_by_words ON products USING gin (search) WITH (fastupdate = off) WHERE status = 'active';
CREATE INDEX products_by_words_of_title ON products USING gin (to_tsvector('english', title)) WITH (fastupdate = off)
 WHERE status = 'active';

-- The units that a payment session holds, has bought, or has released. They are in the row itself, so that a statement
-- that changes the state reads them in the same step, whatever its snapshot shows. A row inserted as released forbids a hold.
CREATE TABLE stock_holds (
    session_id  uuid        PRIMARY KEY,
    state       text        NOT NULL CHECK (state IN ('held', 'sold', 'released')),
    product_ids uuid[]      NOT NULL,
    quantities  integer[]   NOT NULL CHECK (cardinality(quantities) = cardinality(product_ids)),
    expires_at  timestamptz NOT NULL,
    changed_in  xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX stock_holds_by_change ON stock_holds (changed_in);
CREATE INDEX stock_holds_by_expiry ON stock_holds (expires_at) WHERE state = 'held';

-- How often products were viewed and sold. A table of its own, so that counting updates no product, no search index and
-- no cache.
CREATE TABLE activity (
    product_id uuid   PRIMARY KEY,
    views      bigint NOT NULL DEFAULT 0,
    sold       bigint NOT NULL DEFAULT 0,
    -- Orders equal matches of a search: one sale counts as 20 views, on a logarithmic scale.
    popularity smallint NOT NULL GENERATED ALWAYS AS (least(999, round(60 * ln(1 + views + 20 * sold)))::smallint) STORED
) WITH (fillfactor = 70);

-- oldest release: 0.2.0

-- Projections: tables of sums over events, whose rows belong to a generation. `generation` is the current one, `building`
-- the one that a rebuild fills, or null, and `newest` the last one ever started, so that no number is used twice.
-- Consumers share the row's lock while they apply events to both; a rebuild locks the table, and so waits for them.
CREATE TABLE projections (
    name       text    PRIMARY KEY,
    generation integer NOT NULL DEFAULT 1,
    building   integer CHECK (building > generation AND building <= newest),
    newest     integer NOT NULL DEFAULT 1 CHECK (newest >= generation)
);
INSERT INTO projections (name) VALUES ('daily-figures'), ('product-views'), ('best-sellers'), ('seller-figures');

-- Events in a generation, spread over shards so that concurrent consumers seldom wait for each other.
CREATE TABLE projection_counts (
    generation integer  NOT NULL,
    name       text     NOT NULL REFERENCES projections,
    shard      smallint NOT NULL,
    events     bigint   NOT NULL,
    PRIMARY KEY (generation, name, shard)
) WITH (fillfactor = 50);

-- Requests to rebuild a projection, with their progress.
CREATE TABLE rebuilds (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL REFERENCES projections,
    requested_by text        NOT NULL,
    state        text        NOT NULL DEFAULT 'requested'
                             CHECK (state IN ('requested', 'reading', 'clearing', 'done', 'failed')),
    -- The new generation.
    generation   integer,
    -- The generation whose rows are deleted at the end: the old one or, after an error, the new one.
    obsolete     integer,
    -- The progress in the event log of each service.
    event_logs   jsonb       NOT NULL DEFAULT '[]',
    events       bigint      NOT NULL DEFAULT 0,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    error        text        NOT NULL DEFAULT '',
    -- A process claims a rebuild by moving this ahead; see `nextbuy.kit.storage.leases`.
    due_at       timestamptz DEFAULT now(),
    CHECK ((state IN ('done', 'failed')) = (due_at IS NULL))
);
CREATE UNIQUE INDEX rebuilds_open ON rebuilds (name) WHERE due_at IS NOT NULL;
CREATE INDEX rebuilds_by_name ON rebuilds (name, requested_at);

-- Sums of all events by day, topic and shop; amounts are in minor units, here and below.
CREATE TABLE daily_figures (
    generation integer NOT NULL,
    day        date    NOT NULL,
    topic      text    NOT NULL,
    shop_id    uuid,
    events     bigint  NOT NULL,
    units      bigint  NOT NULL,
    amount     bigint  NOT NULL,
    UNIQUE NULLS NOT DISTINCT (generation, day, topic, shop_id)
);

-- Views, basket additions and sales of a product by hour.
CREATE TABLE product_views (
    generation integer     NOT NULL,
    product_id uuid        NOT NULL,
    hour       timestamptz NOT NULL,
    shop_id    uuid        NOT NULL,
    viewed     bigint      NOT NULL,
    added      bigint      NOT NULL,
    bought     bigint      NOT NULL,
    amount     bigint      NOT NULL,
    PRIMARY KEY (generation, product_id, hour)
);
CREATE INDEX product_views_by_shop ON product_views (generation, shop_id, hour);

-- Sales of a product by day.
CREATE TABLE best_sellers (
    generation integer NOT NULL,
    day        date    NOT NULL,
    product_id uuid    NOT NULL,
    shop_id    uuid    NOT NULL,
    units      bigint  NOT NULL,
    amount     bigint  NOT NULL,
    orders     bigint  NOT NULL,
    PRIMARY KEY (generation, day, product_id)
);

-- Orders, sales and views of a shop by day, and the shops of each seller.
CREATE TABLE seller_figures (
    generation integer NOT NULL,
    shop_id    uuid    NOT NULL,
    day        date    NOT NULL,
    orders     bigint  NOT NULL,
    units      bigint  NOT NULL,
    amount     bigint  NOT NULL,
    views      bigint  NOT NULL,
    PRIMARY KEY (generation, shop_id, day)
);
CREATE TABLE seller_shops (
    generation integer NOT NULL,
    seller_id  uuid    NOT NULL,
    shop_id    uuid    NOT NULL,
    PRIMARY KEY (generation, seller_id, shop_id)
);

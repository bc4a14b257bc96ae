-- oldest release: 0.1.0

-- A projection is figures that are made of events, and can be made again of the event logs. Its rows carry a generation: `generation` is the one
-- that is read, `building` the one that a rebuild fills (null where there is none), `newest` the last one begun, so that none is ever used again.
-- Whoever applies events holds the row shared, and does it to both; a rebuild locks the table to change it, and so has waited for all of them.
CREATE TABLE projections (
    name       text    PRIMARY KEY,
    generation integer NOT NULL DEFAULT 1,
    building   integer CHECK (building > generation AND building <= newest),
    newest     integer NOT NULL DEFAULT 1 CHECK (newest >= generation)
);
INSERT INTO projections (name) VALUES ('daily-figures'), ('product-views'), ('best-sellers'), ('seller-figures');

-- How many events were applied; in parts, so that those who count at the same time seldom wait for each other.
CREATE TABLE projection_counts (
    generation integer  NOT NULL,
    name       text     NOT NULL REFERENCES projections,
    part       smallint NOT NULL,
    events     bigint   NOT NULL,
    PRIMARY KEY (generation, name, part)
) WITH (fillfactor = 50);

-- One row for each time that somebody has asked for a rebuild. `sources` says how far each service's log is read; `cleared` is the generation
-- whose rows are taken out at the end: the old one, or where there is an error the one that was begun.
CREATE TABLE rebuilds (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL REFERENCES projections,
    asked_by     text        NOT NULL,
    state        text        NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'reading', 'clearing', 'done', 'failed')),
    generation   integer,
    cleared      integer,
    sources      jsonb       NOT NULL DEFAULT '[]',
    events       bigint      NOT NULL DEFAULT 0,
    asked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at   timestamptz,
    ended_at     timestamptz,
    error        text        NOT NULL DEFAULT '',
    token        uuid,
    leased_until timestamptz
);
CREATE UNIQUE INDEX rebuilds_open ON rebuilds (name) WHERE state IN ('asked', 'reading', 'clearing');
CREATE INDEX rebuilds_of ON rebuilds (name, asked_at);

ALTER TABLE daily_figures ADD COLUMN generation integer NOT NULL DEFAULT 1;
ALTER TABLE daily_figures ALTER COLUMN generation DROP DEFAULT;
ALTER TABLE daily_figures DROP CONSTRAINT daily_figures_day_topic_shop_id_key;
ALTER TABLE daily_figures ADD UNIQUE NULLS NOT DISTINCT (generation, day, topic, shop_id);

-- What became of a product in an hour (UTC); units and amounts in minor units.
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
CREATE INDEX product_views_of_shop ON product_views (generation, shop_id, hour);

-- What was sold of a product on a day, so that the best of any number of days can be told.
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
-- Whose a shop is, as seller told when it was opened.
CREATE TABLE seller_shops (
    generation integer NOT NULL,
    seller_id  uuid    NOT NULL,
    shop_id    uuid    NOT NULL,
    PRIMARY KEY (generation, seller_id, shop_id)
);

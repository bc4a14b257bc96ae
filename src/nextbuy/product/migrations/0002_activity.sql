-- oldest release: 0.1.0

-- How often a product was seen and sold, as the events tell. Beside the products, so that counting rewrites none of them, changes no index
-- of words, and takes nothing off a shelf.
CREATE TABLE activity (
    product_id uuid   PRIMARY KEY,
    views      bigint NOT NULL DEFAULT 0,
    sold       bigint NOT NULL DEFAULT 0,
    -- What it has before an offer that fits a search as well: a sale counts like twenty looks, and ten times as much is one step more.
    popularity smallint NOT NULL GENERATED ALWAYS AS (least(999, round(60 * ln(1 + views + 20 * sold)))::smallint) STORED
) WITH (fillfactor = 70);

-- oldest release: 0.2.0

-- The basket of a buyer, or of a browser without a buyer's account, which is a guest. Baskets are not restored from the
-- event log: they are in no event.
CREATE TABLE baskets (
    id uuid PRIMARY KEY,
    -- The buyer. Null for a guest.
    account_id uuid UNIQUE,
    -- SHA-256 of the token in the guest's cookie. Null for a buyer.
    token_hash bytea UNIQUE,
    -- Another one after each change.
    version uuid NOT NULL,
    -- An array of objects with `product_id`, `quantity`, and perhaps `seen`: the title, the price and the problem that
    -- the line had when its owner last saw it. One row, so that each change locks, checks and writes the whole basket.
    lines jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((account_id IS NULL) <> (token_hash IS NULL))
);

CREATE INDEX guest_baskets_by_age ON baskets (changed_at) WHERE token_hash IS NOT NULL;

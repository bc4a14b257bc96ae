-- oldest release: 0.2.0

-- Postal addresses that people have saved for their next orders. An order has a copy of its own.
CREATE TABLE addresses (
    id          uuid        PRIMARY KEY,
    account_id  uuid        NOT NULL REFERENCES accounts ON DELETE CASCADE,
    full_name   text        NOT NULL,
    line1       text        NOT NULL,
    city        text        NOT NULL,
    postal_code text        NOT NULL,
    country     text        NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX addresses_by_account ON addresses (account_id, id DESC);

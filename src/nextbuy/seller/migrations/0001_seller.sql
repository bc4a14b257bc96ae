-- oldest release: 0.2.0

-- A shop and its seller; `status` is that of both.
CREATE TABLE shops (
    id           uuid        PRIMARY KEY,
    seller_id    uuid        NOT NULL UNIQUE,
    seller_name  text        NOT NULL,
    seller_email text        NOT NULL,
    name         text        NOT NULL,
    slug         text        NOT NULL UNIQUE,
    bio          text        NOT NULL,
    category     text        NOT NULL,
    status       text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected', 'suspended')),
    version      bigint      NOT NULL DEFAULT 1,
    submitted_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX shops_by_name ON shops (lower(name));
CREATE INDEX shops_by_status ON shops (status, submitted_at, id);

-- Every decision of an admin about a shop.
CREATE TABLE decisions (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop_id    uuid        NOT NULL REFERENCES shops,
    decision   text        NOT NULL,
    reason     text        NOT NULL,
    decided_by uuid        NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decisions_by_shop ON decisions (shop_id, id);

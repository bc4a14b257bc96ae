-- oldest release: 0.2.0

-- Which accounts are suspended, as auth published it, also of accounts without a shop; an event with a lower position
-- is ignored.
CREATE TABLE account_statuses (
    account_id uuid    PRIMARY KEY,
    suspended  boolean NOT NULL,
    position   bigint  NOT NULL
);

-- `status` is what admins decided about the shop. The suspension of its account closes an approved shop as well.
ALTER TABLE shops
    ADD COLUMN account_suspended boolean NOT NULL DEFAULT false,
    ADD COLUMN public_status     text    NOT NULL GENERATED ALWAYS AS (
        CASE WHEN account_suspended AND status = 'approved' THEN 'suspended' ELSE status END
    ) STORED;
DROP INDEX shops_by_status;
CREATE INDEX shops_by_public_status ON shops (public_status, submitted_at, id);

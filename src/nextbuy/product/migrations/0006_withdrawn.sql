-- oldest release: 0.2.0

-- A product that is off sale or archived has a status of its own, so that every statement about active
-- products leaves it out. The decision of moderation, which holds again when the product is back on sale, is beside it;
-- for other products it is null, and the status is the decision.
ALTER TABLE products
    ADD COLUMN decision text CHECK (decision IN ('active', 'pending', 'rejected')),
    DROP CONSTRAINT products_status_check,
    ADD CONSTRAINT products_status_check CHECK (status IN ('active', 'pending', 'rejected', 'off-sale', 'archived'));

-- oldest release: 0.2.0

-- The version of the content (title, description, category, price, tags, status), counted from 1, and for each of these
-- fields the version in which it last changed; a field without an entry has not changed since version 1.
-- The version of the stock is `xmin`, the transaction that last changed the row: a column would be written with each hold
-- and sale, and since the row begins with the stock and would end with that column, the WAL would contain all between.
ALTER TABLE products
    ADD COLUMN content_version bigint NOT NULL DEFAULT 1,
    ADD COLUMN field_versions  jsonb  NOT NULL DEFAULT '{}',
    -- The admin who decided about exactly this content; null once the seller has changed it.
    ADD COLUMN decided_by      uuid;

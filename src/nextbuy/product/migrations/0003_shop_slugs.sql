-- oldest release: 0.2.0

-- The slug of each shop. Until seller has been asked for it (`fill_shop_slugs`), the products of a shop are shown with its
-- id instead, which get-shop takes too. Events of 0.2.0 have no slug.
ALTER TABLE shops ADD COLUMN slug text;
CREATE INDEX shops_without_slug ON shops (shop_id) WHERE slug IS NULL;

-- oldest release: 0.2.0

-- Categories are counted from this index alone.
CREATE INDEX products_by_category_and_shop ON products (category, shop_id) WHERE status = 'active';

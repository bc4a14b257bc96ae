-- oldest release: 0.2.0

-- The lists of one shop.
CREATE INDEX products_latest_of_shop ON products (shop_id, created_at, id) WHERE status = 'active';
CREATE INDEX products_by_price_of_shop ON products (shop_id, price_amount, id) WHERE status = 'active';

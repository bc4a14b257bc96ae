-- oldest release: 0.2.0

-- When the content of a product last changed, for sitemaps; null until it first changes.
ALTER TABLE products ADD COLUMN content_changed_at timestamptz;

-- oldest release: 0.2.0

-- When the shop was opened; `submitted_at` changes when a rejected seller applies again. An id begins with its time.
ALTER TABLE shops ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
UPDATE shops SET created_at = coalesce(uuid_extract_timestamp(id), submitted_at);

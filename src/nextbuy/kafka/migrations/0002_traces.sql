-- oldest release: 0.2.0

-- Batches of interactions, as each process sends them once a second: lines of JSON, compressed with zlib by the sender.
CREATE TABLE trace_batches (
    id         uuid        PRIMARY KEY,
    -- 0: routine, 1: failed or slow, 2: of a purchase. The oldest of the least important are deleted first.
    importance smallint    NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What the row takes with its share of the indexes, roughly.
    bytes      integer     NOT NULL,
    -- 64 bits of the hash of each id in the lines: traces, requests, sessions, orders, payments, products and others.
    keys       bigint[]    NOT NULL,
    lines      bytea       NOT NULL
);
-- Neither can be compressed any further.
ALTER TABLE trace_batches ALTER COLUMN keys SET STORAGE EXTERNAL, ALTER COLUMN lines SET STORAGE EXTERNAL;
CREATE INDEX trace_batches_by_key ON trace_batches USING gin (keys);
CREATE INDEX trace_batches_by_age ON trace_batches (importance, stored_at, id) INCLUDE (bytes);

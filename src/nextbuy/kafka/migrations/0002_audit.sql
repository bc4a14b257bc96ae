-- oldest release: 0.1.0

-- What operators did, written in the transaction of the act; rows are never changed.
CREATE TABLE audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- An account's id, or `terminal:` and the user of the machine.
    who text NOT NULL,
    what text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL
);

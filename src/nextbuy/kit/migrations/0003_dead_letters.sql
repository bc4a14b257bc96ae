-- Events that could not be applied, with all that is needed to see why and to try again.
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    -- Which delivery to which handler this is, so that one that comes again is not buried again.
    origin text NOT NULL UNIQUE,
    topic text NOT NULL,
    -- Null where not even that could be read.
    event_id uuid,
    event_type text NOT NULL,
    -- Empty where no handler was reached: then all that listen to the topic are meant.
    handler text NOT NULL,
    reason text NOT NULL,
    error_chain text[] NOT NULL,
    attempts integer NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The bytes as they came, which need be neither JSON nor text.
    envelope bytea NOT NULL,
    status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'replaying', 'replayed', 'discarded')),
    replays integer NOT NULL DEFAULT 0,
    token uuid,
    leased_until timestamptz
);

CREATE INDEX dead_letters_asked ON dead_letters (id) WHERE status = 'replaying';

-- Dead letters that were asked for by a filter to be tried again: how many there are, and how far it has come.
CREATE TABLE replays (
    id uuid PRIMARY KEY,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    filter jsonb NOT NULL,
    total integer NOT NULL,
    -- How many more the filter names than one replay takes.
    beyond integer NOT NULL,
    done integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    -- What it waits for; empty where nothing stands in its way.
    waits_for text NOT NULL DEFAULT '',
    finished_at timestamptz
);

ALTER TABLE dead_letters
    -- The replay by filter that it belongs to, or did last.
    ADD COLUMN replay_id uuid,
    -- When it was applied after all, or discarded.
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN discarded_because text NOT NULL DEFAULT '';

UPDATE dead_letters SET settled_at = clock_timestamp() WHERE status IN ('replayed', 'discarded');

CREATE INDEX dead_letters_by_status ON dead_letters (status, id);
CREATE INDEX dead_letters_settled ON dead_letters (settled_at) WHERE status IN ('replayed', 'discarded');

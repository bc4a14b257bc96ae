-- oldest release: 0.2.0

ALTER TABLE sessions DROP CONSTRAINT sessions_status_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_status_check CHECK (status IN
    ('opening', 'open', 'paying', 'paid', 'refund-due', 'given-up', 'refunded', 'failed', 'expired', 'cancelled'));

ALTER TABLE sessions
    -- Whether it is the only open checkout of its buyer. False if a release without that limit has stored it.
    ADD COLUMN exclusive boolean NOT NULL DEFAULT false,
    -- The number of declined cards, and the last: the provider's code, and when.
    ADD COLUMN declines integer NOT NULL DEFAULT 0,
    ADD COLUMN decline_code text,
    ADD COLUMN declined_at timestamptz,
    -- A keyed hash of the buyer's network, if its open checkouts are limited. Not restored.
    ADD COLUMN network text;

CREATE UNIQUE INDEX sessions_open_of_buyer ON sessions (buyer_id) WHERE exclusive AND status IN ('opening', 'open');
CREATE INDEX sessions_open_of_network ON sessions (network) WHERE network IS NOT NULL AND status IN ('opening', 'open');

-- What each handler is done with. The row is written in the transaction of the effect, so an event that comes twice has one effect.
CREATE TABLE inbox (
    handler text NOT NULL,
    event_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (handler, event_id)
);

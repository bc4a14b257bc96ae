-- oldest release: 0.2.0

-- What operators did, in all services. The ids are in the order of time.
CREATE TABLE operator_acts (
    id      uuid        PRIMARY KEY,
    at      timestamptz NOT NULL,
    service text        NOT NULL,
    -- An account's id, or `terminal:` and the user of the operating system.
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject text        NOT NULL,
    before  text        NOT NULL,
    after   text        NOT NULL,
    reason  text        NOT NULL,
    details jsonb       NOT NULL
);
CREATE INDEX operator_acts_of_actor ON operator_acts (actor, id DESC);
CREATE INDEX operator_acts_on_subject ON operator_acts (subject, id DESC);

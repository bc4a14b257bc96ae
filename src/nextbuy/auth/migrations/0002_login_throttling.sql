-- oldest release: 0.2.0

-- Failed logins that are still remembered, by keyed hash of an e-mail with its client, of an e-mail, or of a network:
-- none can be read from the table, and e-mails without an account are counted in the same way. Replaces
-- `login_failures`, which this release no longer uses.
CREATE TABLE failed_logins (
    subject      bytea       PRIMARY KEY,
    -- The account of the e-mail, if it has one; the owner is notified.
    account_id   uuid,
    -- When the last failure is forgotten. They are forgotten one after another, each after the interval of its scope.
    forgotten_at timestamptz NOT NULL,
    -- Whether the failures have reached the limit of their scope, so that logins are slowed down.
    slowed       boolean     NOT NULL
);
CREATE INDEX failed_logins_by_age ON failed_logins (forgotten_at);

-- The clients that an account has logged in from, as keyed hashes, newest first.
CREATE TABLE known_clients (
    account_id uuid    PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    devices    bytea[] NOT NULL,
    networks   bytea[] NOT NULL
);

-- When the owner was last notified of slowed logins.
ALTER TABLE accounts ADD COLUMN warned_at timestamptz;

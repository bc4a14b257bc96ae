-- oldest release: 0.2.0

CREATE TABLE accounts (
    id            uuid        PRIMARY KEY,
    -- Normalised by `model.normal_email`, so that each person has one spelling.
    email         text        NOT NULL UNIQUE,
    name          text        NOT NULL,
    role          text        NOT NULL CHECK (role IN ('buyer', 'seller', 'admin')),
    status        text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    password_hash text        NOT NULL,
    created_at    timestamptz NOT NULL
);

CREATE TABLE sessions (
    id         uuid        PRIMARY KEY,
    account_id uuid        NOT NULL REFERENCES accounts,
    created_at timestamptz NOT NULL,
    -- When its last refresh token expires.
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    reason     text,
    CHECK ((ended_at IS NULL) = (reason IS NULL))
);
CREATE INDEX sessions_alive_by_account ON sessions (account_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    -- SHA-256 of the token, which has 256 random bits; the token itself is never stored.
    hash       bytea       PRIMARY KEY,
    session_id uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    spent_at   timestamptz
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Failed logins by keyed hash of the e-mail or IP address: neither can be read from the table, and e-mails without an
-- account are counted in the same way.
CREATE TABLE login_failures (
    subject      bytea       PRIMARY KEY,
    failures     integer     NOT NULL,
    last_at      timestamptz NOT NULL,
    locked_until timestamptz
);
CREATE INDEX login_failures_by_age ON login_failures (last_at);

-- The newest key that is not retired signs; a retired one verifies until the last token signed with it has expired.
-- Delete a row to withdraw a stolen key. `nextbuy.auth.keys` creates and rotates keys.
CREATE TABLE signing_keys (
    kid         text        PRIMARY KEY,
    -- Encrypted with a key derived from the installation's secret.
    private_pem text        NOT NULL,
    public_pem  text        NOT NULL,
    created_at  timestamptz NOT NULL,
    retired_at  timestamptz
);

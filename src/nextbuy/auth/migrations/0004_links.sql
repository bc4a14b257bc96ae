-- oldest release: 0.2.0

-- Requests for a link to set a new password, for any e-mail address. The job `start-password-resets` finds the account and
-- deletes the row, so that a request takes as long with an account as without one.
CREATE TABLE password_reset_requests (
    email          text        PRIMARY KEY,
    requested_at   timestamptz NOT NULL,
    -- The trace of the request.
    traceparent    text        NOT NULL,
    correlation_id text        NOT NULL
);
CREATE INDEX password_reset_requests_by_age ON password_reset_requests (requested_at);

-- Links that are sent by mail. A row stays for a day after it has expired, to bound the number of mails.
CREATE TABLE mail_links (
    id         uuid        PRIMARY KEY,
    account_id uuid        NOT NULL REFERENCES accounts ON DELETE CASCADE,
    purpose    text        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX mail_links_by_account ON mail_links (account_id, purpose, created_at);
CREATE INDEX mail_links_by_expiry ON mail_links (expires_at);

-- A link has a token for each copy of its mail, since a mail is sent at least once, and only the copies have the token.
CREATE TABLE link_tokens (
    -- SHA-256 of the token, which has 256 random bits; the token itself is never stored.
    hash    bytea PRIMARY KEY,
    link_id uuid  NOT NULL REFERENCES mail_links ON DELETE CASCADE
);
CREATE INDEX link_tokens_by_link ON link_tokens (link_id);

-- oldest release: 0.2.0

-- The e-mail address that an account is to have once both its old and its new address are confirmed by a link.
CREATE TABLE email_changes (
    account_id    uuid        PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    email         text        NOT NULL,
    requested_at  timestamptz NOT NULL,
    old_confirmed boolean     NOT NULL DEFAULT false,
    new_confirmed boolean     NOT NULL DEFAULT false
);
CREATE INDEX email_changes_by_age ON email_changes (requested_at);

-- oldest release: 0.2.0

-- For operators, who find an account by the beginning of its e-mail address, of its name, or of the last word of its name.
CREATE INDEX accounts_by_email_prefix ON accounts (email COLLATE "C");
CREATE INDEX accounts_by_name ON accounts ((lower(name COLLATE pg_c_utf8)) COLLATE "C");
CREATE INDEX accounts_by_last_word ON accounts ((lower(substring(name from '\S+$') COLLATE pg_c_utf8)) COLLATE "C");

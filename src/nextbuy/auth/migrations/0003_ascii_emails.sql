-- oldest release: 0.2.0

-- The accounts that `convert_emails` has still to convert: release 0.2.0 stored domains in Unicode.
CREATE INDEX accounts_with_unicode_emails ON accounts (id) WHERE octet_length(email) <> char_length(email);

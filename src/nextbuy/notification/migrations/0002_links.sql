-- oldest release: 0.2.0

-- The link of the mail at auth, which creates its token when the mail is sent. The stored body has `[hidden]` for the token,
-- unless the status is `stored`: then the row is the only copy of the mail.
ALTER TABLE mails ADD COLUMN link_id uuid;

-- oldest release: 0.2.0

-- The body as HTML, from the same template as the plain text; empty for mails of earlier releases, which are sent as text.
ALTER TABLE mails ADD COLUMN html text NOT NULL DEFAULT '';

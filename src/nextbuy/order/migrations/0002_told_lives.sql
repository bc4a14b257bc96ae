-- oldest release: 0.1.0

-- Whether the event log tells the session's whole life. It does of each that was begun since order tells every step, and not of those before.
ALTER TABLE sessions ADD COLUMN told boolean NOT NULL DEFAULT false;

-- For whoever reads all that belongs to a session.
CREATE INDEX stray_payments_of_session ON stray_payments (session_id) WHERE session_id IS NOT NULL;

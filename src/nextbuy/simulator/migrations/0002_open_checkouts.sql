-- oldest release: 0.2.0

ALTER TABLE payments DROP CONSTRAINT payments_status_check;
ALTER TABLE payments ADD CONSTRAINT payments_status_check CHECK (status IN
    ('open', 'paid', 'declined', 'expired', 'cancelled', 'refunded'));

ALTER TABLE payments
    -- The declined cards so far, and the code of the last.
    ADD COLUMN declines integer NOT NULL DEFAULT 0,
    ADD COLUMN decline_code text;

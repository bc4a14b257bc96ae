-- oldest release: 0.2.0

-- What the provider reports as refunded of payments of this session, by payment: of a part of a payment, or of a payment
-- that it has not reported yet. An object of objects with `amount` and `currency`; null if nothing was reported.
ALTER TABLE sessions ADD COLUMN reported_refunds jsonb;

-- To find the session of a refunded payment, since a charge may not name it.
CREATE INDEX sessions_by_payment ON sessions (payment_id) WHERE payment_id IS NOT NULL;

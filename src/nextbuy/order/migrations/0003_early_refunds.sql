-- oldest release: 0.2.0

-- Refunds by the provider of payments that it has not reported yet and no session names, by payment and by charge. Moved
-- to the session or the unmatched payment when the payment is reported, else purged. Not restored, as `webhook_events`.
CREATE TABLE early_refunds (
    payment_id text PRIMARY KEY,
    -- Null if the provider did not say.
    amount bigint,
    currency text,
    -- Whether the provider says that the whole charge is refunded.
    whole boolean NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX early_refunds_by_age ON early_refunds (reported_at);

-- One checkout: the statements of auth, product, seller, order, and the simulator in the same transactions, on tables of the same shape.
-- Background work (relay, notifications, figures) is left out, so that the ceiling is higher than the real work.
\set a random(0, :products - 1)
\set b (:a + 5 * random(0, :products / 5 - 1) + random(1, 4)) % :products
\set n random(1, :buyers)
\set q random(1, 3)
\set r random(1, 3)

-- auth: ValidateUser
SELECT a.id, a.email, a.name, a.role, a.status, s.ended_at
  FROM auth.sessions s JOIN auth.accounts a ON a.id = s.account_id WHERE s.id = {buyer};

-- product: ValidateProducts
SELECT p.id, p.shop_id, p.title, p.price_amount, p.currency, p.stock
  FROM product.products p JOIN product.shops s ON s.shop_id = p.shop_id AND s.status = 'approved' AND p.status = 'active'
 WHERE p.id = ANY(ARRAY[{a}, {b}]);

-- seller: GetShops
SELECT id, name, slug, bio, category, public_status AS status, seller_id, version FROM seller.shops WHERE id = ANY(ARRAY[{shop_a}, {shop_b}]);

-- order: insert the session and publish its event
BEGIN;
WITH new AS (
    SELECT uuidv7() AS id
), addressed AS (
    INSERT INTO orders.postal_addresses (session_id, buyer_id, address) SELECT id, {buyer}, '{address}' FROM new
)
INSERT INTO orders.sessions (id, buyer_id, status, total, currency, lines, expires_at, expiry_due_at, traceparent,
                             correlation_id, created_at)
SELECT id, {buyer}, 'opening', 12345, 'USD', '{lines}', now() + interval '30 min', now() + interval '1 min',
       '{traceparent}', '{correlation}', now()
  FROM new
RETURNING id AS sid, uuidv7() AS o1, uuidv7() AS o2, 'pay_' || md5(id::text) AS pay \gset
WITH logged AS (
    INSERT INTO orders.event_log (event_id, topic, key, bucket, parent_span, envelope)
    SELECT event_id, topic, key, bucket, '{span}', envelope
      FROM unnest(ARRAY[uuidv7()], ARRAY['payment-session.created'], ARRAY[:sid]::text[], ARRAY[:q]::smallint[], ARRAY[repeat('x', 1300)])
           WITH ORDINALITY AS new (event_id, topic, key, bucket, envelope, place)
     ORDER BY place
    RETURNING bucket, id
)
INSERT INTO orders.outbox (bucket, id) SELECT bucket, id FROM logged;
COMMIT;

-- product: HoldStock
WITH locked AS MATERIALIZED (
    SELECT p.id, p.title, p.stock, w.quantity
      FROM unnest(ARRAY[{a}, {b}], ARRAY[:q, :r]::int[]) AS w (product_id, quantity)
      JOIN product.products p ON p.id = w.product_id AND p.status = 'active'
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), session AS (
    INSERT INTO product.stock_holds (session_id, state, product_ids, quantities, expires_at)
    SELECT :sid::uuid, 'held', ARRAY[{a}, {b}], ARRAY[:q, :r]::int[], now() + interval '30 min'
     WHERE (SELECT count(*) = 2 AND bool_and(stock >= quantity) FROM locked)
    ON CONFLICT (session_id) DO NOTHING
    RETURNING session_id
), taken AS (
    UPDATE product.products p SET stock = p.stock - l.quantity, held = p.held + l.quantity
      FROM locked l
     WHERE p.id = l.id AND EXISTS (SELECT FROM session)
)
SELECT id, title, stock, EXISTS (SELECT FROM session) AS held FROM locked;

-- simulator: OpenPayment
INSERT INTO simulator.payments (id, reference, amount, currency, description, expires_at, traceparent, correlation_id, return_url)
VALUES (:pay, :sid::uuid, 12345, 'USD', '2 x a thing and 1 more', now() + interval '30 min', '{traceparent}', '{correlation}',
        'http://localhost/checkout')
ON CONFLICT (reference) DO UPDATE SET reference = excluded.reference RETURNING id;

-- order: open the session
BEGIN;
UPDATE orders.sessions SET status = 'open', payment_id = :pay, payment_url = 'http://localhost/simulator/api/pay/' || :pay::text,
       expiry_due_at = expires_at
 WHERE id = :sid::uuid AND status = ANY('{{opening}}') RETURNING *;
WITH logged AS (
    INSERT INTO orders.event_log (event_id, topic, key, bucket, parent_span, envelope)
    SELECT event_id, topic, key, bucket, '{span}', envelope
      FROM unnest(ARRAY[uuidv7()], ARRAY['payment-session.opened'], ARRAY[:sid]::text[], ARRAY[:q]::smallint[], ARRAY[repeat('x', 600)])
           WITH ORDINALITY AS new (event_id, topic, key, bucket, envelope, place)
     ORDER BY place
    RETURNING bucket, id
)
INSERT INTO orders.outbox (bucket, id) SELECT bucket, id FROM logged;
COMMIT;

-- order: record the payment and publish its event
BEGIN;
WITH moved AS (
    UPDATE orders.sessions
       SET status = CASE WHEN total = 12345 AND currency = 'USD' THEN 'paying' ELSE 'refund-due' END,
           serial = CASE WHEN total = 12345 AND currency = 'USD' THEN nextval('orders.checkout_serials') END,
           reason = CASE WHEN total = 12345 AND currency = 'USD' THEN NULL ELSE 'wrong-amount' END,
           release_due_at = CASE WHEN total = 12345 AND currency = 'USD' THEN NULL ELSE now() END,
           payment_id = :pay, received = 12345, received_currency = 'USD', paid_at = now(), expiry_due_at = NULL,
           completion_due_at = now() + interval '6 seconds', completion_attempts = 1
     WHERE id = :sid::uuid AND status = ANY('{{opening,open,failed,expired}}')
       AND NOT coalesce((reported_refunds -> :pay::text ->> 'amount')::bigint >= 12345
                        AND reported_refunds -> :pay::text ->> 'currency' = 'USD', false)
    RETURNING *
), seen AS (
    INSERT INTO orders.webhook_events (id, type, session_id)
    SELECT 'evt_' || :sid::text, 'checkout.session.completed', id FROM moved ON CONFLICT DO NOTHING
)
SELECT id, serial, buyer_id, status, total, currency, lines, expires_at, payment_id, received, received_currency, traceparent,
       correlation_id, completion_due_at, completion_attempts FROM moved;
WITH logged AS (
    INSERT INTO orders.event_log (event_id, topic, key, bucket, parent_span, envelope)
    SELECT event_id, topic, key, bucket, '{span}', envelope
      FROM unnest(ARRAY[uuidv7()], ARRAY['payment.received'], ARRAY[:sid]::text[], ARRAY[:q]::smallint[], ARRAY[repeat('x', 650)])
           WITH ORDINALITY AS new (event_id, topic, key, bucket, envelope, place)
     ORDER BY place
    RETURNING bucket, id
)
INSERT INTO orders.outbox (bucket, id) SELECT bucket, id FROM logged;
COMMIT;

-- product: UpdateStock
WITH session AS (
    UPDATE product.stock_holds SET state = 'sold', changed_in = pg_current_xact_id() WHERE session_id = :sid::uuid AND state = 'held'
    RETURNING product_ids, quantities
), locked AS MATERIALIZED (
    SELECT p.id, l.quantity
      FROM (SELECT unnest(product_ids) AS product_id, unnest(quantities) AS quantity FROM session) l
      JOIN product.products p ON p.id = l.product_id
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), sold AS (
    UPDATE product.products p SET held = p.held - l.quantity, sold = p.sold + l.quantity FROM locked l WHERE p.id = l.id
)
SELECT product_ids FROM session;

-- order: insert the orders and publish their events
BEGIN;
WITH won AS (
    UPDATE orders.sessions SET status = 'paid', completion_due_at = NULL WHERE id = :sid::uuid AND status = ANY('{{paying}}')
    RETURNING id, buyer_id, currency
), made AS (
    INSERT INTO orders.orders (id, number, session_id, buyer_id, shop_id, seller_id, status, total, currency, created_at)
    SELECT new.id, new.number, won.id, won.buyer_id, new.shop_id, new.seller_id, 'paid', new.total, won.currency, now()
      FROM won, unnest(ARRAY[:o1, :o2]::uuid[], ARRAY['NB-' || :o1::text, 'NB-' || :o2::text], ARRAY[{shop_a}, {shop_b}],
                       ARRAY[{shop_a}, {shop_b}], ARRAY[6000, 6345]::bigint[]) AS new (id, number, shop_id, seller_id, total)
), lined AS (
    INSERT INTO orders.order_lines (order_id, position, product_id, title, quantity, unit_price)
    SELECT new.* FROM won, unnest(ARRAY[:o1, :o2]::uuid[], ARRAY[1, 1]::smallint[], ARRAY[{a}, {b}],
                                  ARRAY['Sturdy oak lamp by Larkspur', 'Round brass vase by Hollis'], ARRAY[:q, :r]::int[],
                                  ARRAY[2000, 2115]::bigint[])
           AS new (order_id, position, product_id, title, quantity, unit_price)
)
SELECT true FROM won;
WITH logged AS (
    INSERT INTO orders.event_log (event_id, topic, key, bucket, parent_span, envelope)
    SELECT event_id, topic, key, bucket, '{span}', envelope
      FROM unnest(ARRAY[uuidv7(), uuidv7(), uuidv7(), uuidv7(), uuidv7()],
                  ARRAY['payment-session.paid', 'order.created', 'order.created', 'order.paid', 'order.paid'],
                  ARRAY[:sid, :o1, :o2, :o1, :o2]::text[], ARRAY[:q, :q, :r, :q, :r]::smallint[],
                  ARRAY[repeat('x', 700), repeat('x', 1100), repeat('x', 1100), repeat('x', 700), repeat('x', 700)])
           WITH ORDINALITY AS new (event_id, topic, key, bucket, envelope, place)
     ORDER BY place
    RETURNING bucket, id
)
INSERT INTO orders.outbox (bucket, id) SELECT bucket, id FROM logged;
COMMIT;

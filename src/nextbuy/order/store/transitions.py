"""The transitions of a session: each function returns a step, one statement that `order/state_changes.py` runs.

A statement names the states that it may start from, so two copies can never both make a transition. The steps of a
purchase know the session that they lead to, so their events are written in the same statement.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.order import Address, Reason
from nextbuy.contracts.simulator import PaymentOpened
from nextbuy.contracts.values import new_id
from nextbuy.kit.wire import encode
from nextbuy.order.model import OrderDraft, Session, State, Transition, source_states, target_state
from nextbuy.order.provider_webhook import WebhookEvent
from nextbuy.order.store.sessions import COMPLETION


class Step(Struct, frozen=True):
    """A transition as one SQL statement, which returns the rows of the sessions that made it."""

    transition: Transition
    sql: str
    values: tuple[object, ...]
    at: datetime | None = None
    """The time that the step stores in rows and that its events have; None if it stores none."""


class KnownStep(Step, frozen=True, kw_only=True):
    """A step to a known session; its statement returns the id of that session and `claimed_until`."""

    session: Session
    """The session after the step."""
    orders: Sequence[tuple[UUID, OrderDraft]] = ()
    """The orders that the step creates, with their ids."""
    follow_up: str = ""
    """CTEs of the same statement that store rows of the session; its own row is `changed`."""


_RETURNING: Final = "RETURNING id, completion_due_at AS claimed_until"


def _step(transition: Transition, sql: str, *values: object) -> Step:
    return Step(transition, sql, (target_state(transition), source_states(transition), *values))


def _claimed_values(transition: Transition, session: Session, *values: object) -> tuple[object, ...]:
    return ([session.id], session.claimed_until, target_state(transition), source_states(transition), *values)


def created(session: Session, address: Address | None, expiry_due_at: datetime, now: datetime) -> KnownStep:
    """Store a new session, unless its buyer has an open one; it expires at `expiry_due_at` without a payment page."""
    return KnownStep(
        Transition.CREATED,
        f"""
        INSERT INTO sessions (id, buyer_id, status, total, currency, lines, expires_at, expiry_due_at, traceparent,
                              correlation_id, created_at, network, exclusive)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $13, true)
        ON CONFLICT (buyer_id) WHERE exclusive AND status IN ('opening', 'open') DO NOTHING
        {_RETURNING}
        """,  # noqa: S608  a constant, as below
        (
            session.id,
            session.buyer_id,
            target_state(Transition.CREATED),
            session.total.amount,
            session.total.currency,
            encode(session.lines).decode(),
            session.expires_at,
            expiry_due_at,
            session.traceparent,
            session.correlation_id,
            now,
            None if address is None else encode(address).decode(),
            session.network,
        ),
        session=session,
        follow_up="""
            addressed AS (
                INSERT INTO postal_addresses (session_id, buyer_id, address)
                SELECT id, $2, $12 FROM changed WHERE $12::jsonb IS NOT NULL
            )
        """,
        at=now,
    )


def opened(session: Session, payment: PaymentOpened) -> KnownStep:
    """Mark a session as open, with its payment and payment page."""
    status = target_state(Transition.OPENED)
    return KnownStep(
        Transition.OPENED,
        f"""
        UPDATE sessions SET status = $1, payment_id = $4, payment_url = $5, expiry_due_at = expires_at
         WHERE id = $3 AND status = ANY($2)
        {_RETURNING}
        """,  # noqa: S608
        (status, source_states(Transition.OPENED), session.id, payment.payment_id, payment.url),
        session=replace(session, status=status, payment_id=payment.payment_id, payment_url=payment.url),
    )


def not_opened(session_id: UUID, reason: str, *, release: bool) -> Step:
    """End a session that could not be opened; with `release`, the release of its stock is due."""
    return _closed(Transition.NOT_OPENED, session_id, reason, release=release)


def payment_failed(session_id: UUID, reason: str) -> Step:
    """End a session whose payment cannot succeed any more; the release of its stock is due."""
    return _closed(Transition.PAYMENT_FAILED, session_id, reason)


def expired(session_id: UUID) -> Step:
    """End a session that was not paid in time; the release of its stock is due."""
    return _closed(Transition.EXPIRED, session_id, Reason.LATE)


def _closed(transition: Transition, session_id: UUID, reason: str, *, release: bool = True) -> Step:
    return _step(
        transition,
        """
        UPDATE sessions
           SET status = $1, reason = $4, expiry_due_at = NULL, release_due_at = CASE WHEN $5 THEN now() END
         WHERE id = $3 AND status = ANY($2)
        RETURNING *
        """,
        session_id,
        reason,
        release,
    )


def overdue(now: datetime, limit: int) -> Step:
    """Expire up to `limit` sessions that were not paid in time; the release of their stock is due."""
    return _step(
        Transition.EXPIRED,
        """
        WITH due AS (
            SELECT id FROM sessions WHERE expiry_due_at <= $3
             ORDER BY expiry_due_at LIMIT $4 FOR UPDATE SKIP LOCKED
        )
        UPDATE sessions AS s SET status = $1, reason = $5, expiry_due_at = NULL, release_due_at = now()
          FROM due WHERE s.id = due.id AND s.status = ANY($2)
        RETURNING s.*
        """,
        now,
        limit,
        Reason.LATE,
    )


_REFUNDED_BEFORE: Final = """
    coalesce(
        (reported_refunds -> $4::text ->> 'amount')::bigint >= $5 AND reported_refunds -> $4::text ->> 'currency' = $6,
        false
    )
"""
_RECEIVE_PAYMENT: Final = f"""
    UPDATE sessions
       SET status = $1, payment_id = $4, received = $5, received_currency = $6, reason = $7,
           release_due_at = CASE WHEN $8 THEN now() END, serial = $11, paid_at = $12, expiry_due_at = NULL,
           completion_due_at = {COMPLETION.until}, completion_attempts = 1
     WHERE id = $3 AND status = ANY($2) AND NOT {_REFUNDED_BEFORE}
       AND NOT EXISTS (SELECT FROM early_refunds WHERE payment_id = $4::text)
    {_RETURNING}
"""  # noqa: S608
_REFUND_EARLY: Final = f"""
    UPDATE sessions
       SET status = $1, payment_id = $4, received = $5, received_currency = $6, reason = $7, paid_at = $8,
           release_due_at = now(), expiry_due_at = NULL
     WHERE id = $3 AND status = ANY($2) AND {_REFUNDED_BEFORE}
    {_RETURNING}
"""  # noqa: S608
_MARK_SEEN: Final = """
    seen AS (INSERT INTO webhook_events (id, type, session_id) SELECT $9, $10, id FROM changed ON CONFLICT DO NOTHING)
"""


def payment_received(session: Session, event: WebhookEvent, now: datetime) -> KnownStep:
    """Record the payment of a session and the webhook event that reports it, and claim the completion of the checkout.

    Once committed, the payment leads to orders or a refund. A refund is due if it is not the session's total, which
    never changes. A payment that the provider has refunded before ends the session.
    """
    if session.has_refund_of(event.payment_id, event.money):
        return _refunded_early(session, event, now)
    correct = event.money == session.total
    transition = Transition.PAYMENT_RECEIVED if correct else Transition.WRONG_AMOUNT_RECEIVED
    paid = replace(
        session,
        status=target_state(transition),
        serial=session.serial if correct else 0,
        payment_id=event.payment_id,
        received=event.money,
        reason=None if correct else Reason.WRONG_AMOUNT,
        release_due=not correct,
        attempts=1,
    )
    return KnownStep(
        transition,
        _RECEIVE_PAYMENT,
        (
            paid.status,
            source_states(transition),
            session.id,
            event.payment_id,
            event.money.amount,
            event.money.currency,
            paid.reason,
            paid.release_due,
            event.event_id,
            event.type,
            paid.serial or None,
            now,
        ),
        session=paid,
        follow_up=_MARK_SEEN,
        at=now,
    )


def _refunded_early(session: Session, event: WebhookEvent, now: datetime) -> KnownStep:
    transition = Transition.REFUNDED_EARLY
    ended = replace(
        session,
        status=target_state(transition),
        serial=0,
        payment_id=event.payment_id,
        received=event.money,
        reason=Reason.REFUNDED_EARLY,
        release_due=True,
    )
    return KnownStep(
        transition,
        _REFUND_EARLY,
        (
            ended.status,
            source_states(transition),
            session.id,
            event.payment_id,
            event.money.amount,
            event.money.currency,
            ended.reason,
            now,
            event.event_id,
            event.type,
        ),
        session=ended,
        follow_up=_MARK_SEEN,
        at=now,
    )


_COMMIT_STOCK: Final = f"""
    UPDATE sessions SET status = $3, completion_due_at = NULL WHERE {COMPLETION.held} AND status = ANY($4)
    {_RETURNING}, buyer_id, currency
"""  # noqa: S608
_CREATE_ORDERS: Final = """
    created AS (
        INSERT INTO orders (id, number, session_id, buyer_id, shop_id, seller_id, status, total, currency, created_at)
        SELECT new.id, new.number, changed.id, changed.buyer_id, new.shop_id, new.seller_id, 'paid', new.total,
               changed.currency, $16
          FROM changed, unnest($5::uuid[], $6::text[], $7::uuid[], $8::uuid[], $9::bigint[])
               AS new (id, number, shop_id, seller_id, total)
    ), lines AS (
        INSERT INTO order_lines (order_id, position, product_id, title, quantity, unit_price)
        SELECT new.*
          FROM changed, unnest($10::uuid[], $11::smallint[], $12::uuid[], $13::text[], $14::int[], $15::bigint[])
               AS new (order_id, position, product_id, title, quantity, unit_price)
    )
"""
_REDUCE_BASKET: Final = """
    reduced AS (
        UPDATE baskets
           SET version = gen_random_uuid(), changed_at = now(), lines = coalesce((
                   SELECT jsonb_agg(
                              line || jsonb_build_object(
                                  'quantity', (line ->> 'quantity')::int - coalesce(bought.quantity, 0))
                              ORDER BY stored.position)
                     FROM jsonb_array_elements(baskets.lines) WITH ORDINALITY AS stored (line, position)
                     LEFT JOIN unnest($12::uuid[], $14::int[]) AS bought (product_id, quantity)
                            ON bought.product_id = (line ->> 'product_id')::uuid
                    WHERE (line ->> 'quantity')::int > coalesce(bought.quantity, 0)), '[]')
          FROM changed
         WHERE baskets.account_id = changed.buyer_id
           AND EXISTS (SELECT FROM jsonb_array_elements(baskets.lines) AS line
                        WHERE (line ->> 'product_id')::uuid = ANY($12::uuid[]))
    )
"""
"""Subtracts the bought units from the buyer's basket; waits for concurrent changes, and reads their result."""


def stock_committed(session: Session, drafts: Sequence[OrderDraft], now: datetime) -> KnownStep:
    """End a claimed session as paid, with its orders, and take what was bought out of the buyer's basket."""
    ids = [new_id() for _ in drafts]
    lines = [
        (order_id, position, line)
        for order_id, draft in zip(ids, drafts, strict=True)
        for position, line in enumerate(draft.lines, 1)
    ]
    values = _claimed_values(
        Transition.STOCK_COMMITTED,
        session,
        ids,
        [draft.number for draft in drafts],
        [draft.shop_id for draft in drafts],
        [draft.seller_id for draft in drafts],
        [draft.total.amount for draft in drafts],
        [order_id for order_id, _, _ in lines],
        [position for _, position, _ in lines],
        [line.product_id for _, _, line in lines],
        [line.title for _, _, line in lines],
        [line.quantity for _, _, line in lines],
        [line.unit_price.amount for _, _, line in lines],
        now,
    )
    return KnownStep(
        Transition.STOCK_COMMITTED,
        _COMMIT_STOCK,
        values,
        session=replace(session, status=target_state(Transition.STOCK_COMMITTED)),
        orders=list(zip(ids, drafts, strict=True)),
        follow_up=f"{_CREATE_ORDERS}, {_REDUCE_BASKET}",
        at=now,
    )


def sold_out(session: Session) -> Step:
    """Make the refund of a claimed session due; the claim stays."""
    return Step(
        Transition.SOLD_OUT,
        f"UPDATE sessions SET status = $3, reason = $5 WHERE {COMPLETION.held} AND status = ANY($4) RETURNING *",  # noqa: S608
        _claimed_values(Transition.SOLD_OUT, session, Reason.SOLD_OUT),
    )


def given_up(key: str, note: str) -> Step:
    """End the attempts to complete or refund the session with this id or payment; release stock that is not sold."""
    return _step(
        Transition.GIVEN_UP,
        """
        UPDATE sessions
           SET status = $1, give_up_note = $4, reason = coalesce(reason, $5), completion_due_at = NULL,
               release_due_at = CASE WHEN status = $6 THEN now() ELSE release_due_at END
         WHERE completion_due_at IS NOT NULL AND (id::text = $3 OR payment_id = $3) AND status = ANY($2)
        RETURNING *
        """,
        key,
        note,
        Reason.NOT_COMPLETED,
        State.PAYING,
    )


def refunded(session_id: UUID, refund_id: str | None) -> Step:
    """End a session as refunded; `refund_id` is None if the provider refunded without our request."""
    return _step(
        Transition.REFUNDED,
        """
        UPDATE sessions SET status = $1, refund_id = coalesce($4, refund_id), completion_due_at = NULL
         WHERE id = $3 AND status = ANY($2)
        RETURNING *
        """,
        session_id,
        refund_id,
    )


def refunded_late(session: Session, orders: Sequence[tuple[UUID, OrderDraft]]) -> KnownStep:
    """End a paid session, which the caller has locked, and its orders as refunded by the provider."""
    transition = Transition.REFUNDED_LATE
    ended = replace(session, status=target_state(transition), reason=Reason.REFUNDED_LATE)
    return KnownStep(
        transition,
        f"UPDATE sessions SET status = $1, reason = $4 WHERE id = $3 AND status = ANY($2) {_RETURNING}",  # noqa: S608
        (ended.status, source_states(transition), session.id, ended.reason),
        session=ended,
        orders=orders,
        follow_up="""
            refunded_orders AS (
                UPDATE orders SET status = 'refunded' FROM changed WHERE orders.session_id = changed.id
            )
        """,
    )

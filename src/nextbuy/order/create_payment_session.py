"""POST /order/api/create-payment-session: price a basket, hold its stock, and open a payment."""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.errors import AppError, Conflict
from nextbuy.contracts.order import Address, Reason
from nextbuy.contracts.product import Line, QuotedLine
from nextbuy.contracts.simulator import PaymentOpened
from nextbuy.contracts.values import MAX_LINES, Money, PostalAddress, Timestamp, new_id
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability import telemetry
from nextbuy.order.deps import Deps
from nextbuy.order.hold_limits import check_open_checkouts, check_units, limited_network
from nextbuy.order.hold_release import release_hold
from nextbuy.order.model import (
    PUBLIC_STATUS,
    BasketLine,
    CheckoutExpired,
    PublicStatus,
    Session,
    State,
    basket_total,
    merge_basket,
    payment_description,
    price_lines,
)
from nextbuy.order.open_checkout import checkout_in_progress, close_payment
from nextbuy.order.state_changes import advance
from nextbuy.order.store import open_steps, transitions
from nextbuy.order.store.sessions import open_session
from nextbuy.order.store.transitions import KnownStep

_OPENING_TIMEOUT: Final = timedelta(seconds=15)
"""After this time, longer than a request may take, a session without a payment page was interrupted by a crash, and
expires. Until then, it blocks other checkouts of its buyer."""


class DeliveryAddress(PostalAddress, frozen=True):
    """A postal address to ship to."""


class CreatePaymentSession(Struct, frozen=True):
    """A request to check out a basket. Prices are looked up, never taken from the request."""

    lines: Annotated[list[BasketLine], Meta(min_length=1, max_length=MAX_LINES)]
    address: DeliveryAddress | None = None


class PaymentSessionCreated(Struct, frozen=True, kw_only=True):
    """The priced basket, and the page on which to pay for it."""

    session_id: UUID
    status: PublicStatus
    total: Money
    lines: list[QuotedLine]
    expires_at: Timestamp
    payment_url: str


async def create_payment_session(deps: Deps, caller: Caller, request: CreatePaymentSession) -> PaymentSessionCreated:
    """Hold the basket's stock until the checkout expires, and return a page on which to pay for it.

    The session is stored before any stock is held, so a crash in between leaves a session that expires, never stock
    that belongs to no session. An open checkout of the buyer is cancelled, and its units go to the new one.

    Raises:
        NotFound: a product does not exist or is not for sale.
        Conflict: too few units are left (`sold-out`), a shop is closed (`shop-closed`), the open checkout was paid
            already (`already-paid`, with its orders in `errors`), another request is changing it (`in-progress`), or
            more would be held than is allowed (`hold-limit`).
        Unavailable: a needed service does not answer; nothing stays held.
    """
    basket = merge_basket([Line(line.product_id, line.quantity) for line in request.lines])
    check_units(deps, basket)
    buyer = await deps.auth.validate_user(caller)
    replaced = await open_session(deps.database, buyer.id)
    priced = await deps.product.validate_products(basket, replaces=None if replaced is None else replaced.id)
    shops = await deps.seller.get_shops(list({line.shop_id for line in priced}))
    lines = price_lines(priced, shops)

    now, span, to = deps.clock(), telemetry.current_span(), request.address
    session = Session(
        id=new_id(),
        buyer_id=buyer.id,
        status=State.OPENING,
        total=basket_total(lines),
        lines=lines,
        expires_at=now + timedelta(minutes=deps.settings.session_minutes),
        traceparent=span.traceparent,
        correlation_id=span.correlation_id,
        network=await limited_network(deps, caller, buyer.id) if replaced is None else replaced.network,
    )
    address = None if to is None else Address(to.full_name, to.line1, to.city, to.postal_code, to.country)
    expiry_due_at = min(session.expires_at, now + _OPENING_TIMEOUT)
    created = transitions.created(session, address, expiry_due_at, now)
    if replaced is None:
        await _store(deps, created)
        return await _start_payment(deps, caller, session, priced)
    replaced = await _replace(deps, replaced, created)
    try:
        return await _start_payment(deps, caller, session, priced, replaces=replaced.id)
    finally:
        await release_hold(deps, replaced)


async def _store(deps: Deps, created: KnownStep) -> None:
    """Store the session of a buyer who has no open one, within the limit of its network."""
    network = created.session.network
    if network is None:
        stored = await advance(deps.database, created)
    else:
        async with deps.database.transaction() as tx:
            await check_open_checkouts(deps, tx, network)
            stored = await advance(tx, created)
    if stored is None:
        raise checkout_in_progress()


async def _replace(deps: Deps, replaced: Session, created: KnownStep) -> Session:
    """Close the payment of the open session, and replace it in one transaction; return the cancelled session."""
    await close_payment(deps, replaced)
    async with deps.database.transaction() as tx:
        cancelled = await advance(tx, open_steps.cancelled(replaced, Reason.REPLACED))
        if cancelled is None or await advance(tx, created) is None:
            raise checkout_in_progress()
    return cancelled


async def _start_payment(
    deps: Deps, caller: Caller, session: Session, priced: list[QuotedLine], *, replaces: UUID | None = None
) -> PaymentSessionCreated:
    """Hold the units of a stored session, open its payment page, and store the page with the response."""
    payment = await _hold_and_open(deps, session, replaces)
    reply = PaymentSessionCreated(
        session_id=session.id,
        status=PUBLIC_STATUS[State.OPEN],
        total=session.total,
        lines=priced,
        expires_at=session.expires_at,
        payment_url=caller.link(payment.url, deps.settings.public_url),
    )
    if not await _store_opened(deps, caller, transitions.opened(session, payment), reply):
        raise CheckoutExpired
    return reply


async def _store_opened(deps: Deps, caller: Caller, step: KnownStep, reply: PaymentSessionCreated) -> bool:
    """Store the payment page, in one transaction with a response that is stored; return false if it is too late."""
    if caller.idempotent_request is None:
        return await advance(deps.database, step) is not None
    async with deps.database.transaction() as tx:
        opened = await advance(tx, step) is not None
        if opened:
            await caller.store_response(tx, reply)
    return opened


async def _hold_and_open(deps: Deps, session: Session, replaces: UUID | None) -> PaymentOpened:
    held = False
    try:
        await deps.product.hold_stock(session.id, session.units, session.expires_at, replaces=replaces)
        held = True
        return await deps.payments.open(
            session.id, session.total, payment_description(session.lines), session.expires_at
        )
    except AppError as error:
        # Units may be held after any error but a refusal of the hold.
        release = held or not isinstance(error, Conflict)
        async with deps.database.transaction() as tx:
            await advance(tx, transitions.not_opened(session.id, error.slug, release=release))
        raise

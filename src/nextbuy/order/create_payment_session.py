"""POST /order/api/create-payment-session: a basket becomes a priced session to pay.

Of the basket only ids and quantities are believed; prices, stock and shops are asked of their owners. The session is
written down before anything is held for it, so whatever is held belongs to a session, and a session that got no further
is ended by the sweeper.
"""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.errors import AppError, Conflict
from nextbuy.contracts.order import Address
from nextbuy.contracts.product import Line, PricedLine
from nextbuy.contracts.simulator import PaymentOpened
from nextbuy.contracts.values import MAX_LINES, Money, Quantity, Timestamp, Title, new_id
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability import telemetry
from nextbuy.order.deps import Deps
from nextbuy.order.history import begun, told
from nextbuy.order.model import SHOWN, Session, Shown, State, Transition, description, merged, sold, total_of
from nextbuy.order.store import sessions

OPENING_LIMIT: Final = timedelta(minutes=1)
"""A session that has no payment page after this was left behind by a crash, and is ended."""


class BasketLine(Struct, frozen=True):
    """So many of one product."""

    product_id: UUID
    quantity: Quantity


class DeliveryAddress(Struct, frozen=True):
    """Where it should go."""

    full_name: Annotated[Title, Meta(examples=["Ada Winter"])]
    line1: Annotated[Title, Meta(examples=["12 Harbour Street"])]
    city: Annotated[Title, Meta(examples=["Portland"])]
    postal_code: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"\S", examples=["97201"])]
    country: Annotated[Title, Meta(examples=["US"])]


class CreatePaymentSession(Struct, frozen=True):
    """A basket."""

    lines: Annotated[list[BasketLine], Meta(min_length=1, max_length=MAX_LINES)]
    address: DeliveryAddress | None = None


class PaymentSessionCreated(Struct, frozen=True, kw_only=True):
    """What it comes to, and where to pay."""

    session_id: UUID
    status: Shown
    total: Money
    lines: list[PricedLine]
    expires_at: Timestamp
    payment_url: str


async def create_payment_session(deps: Deps, caller: Caller, request: CreatePaymentSession) -> PaymentSessionCreated:
    """Hold a basket's units and open a payment for what they cost.

    Raises:
        NotFound: a product does not exist or is not for sale.
        Conflict: there is too little of one (`sold-out`), or its shop is not selling (`shop-closed`).
        Unavailable: a service that is needed is away; nothing stays held.
    """
    wanted = merged([Line(line.product_id, line.quantity) for line in request.lines])
    buyer = await deps.auth.validate_user(caller.token)
    priced = await deps.product.validate_products(wanted)
    shops = await deps.seller.get_shops(list({line.shop_id for line in priced}))
    lines = sold(wanted, priced, shops)
    now, trace, to = deps.clock(), telemetry.current_span(), request.address
    expires_at = now + timedelta(minutes=deps.settings.session_minutes)
    session = Session(
        id=new_id(),
        buyer_id=buyer.id,
        status=State.OPENING,
        total=total_of(lines),
        lines=lines,
        address=None if to is None else Address(to.full_name, to.line1, to.city, to.postal_code, to.country),
        expires_at=expires_at,
        traceparent=trace.traceparent,
        correlation_id=trace.correlation_id,
    )
    async with deps.database.transaction() as tx:
        await sessions.insert_session(tx, session, ends_at=min(expires_at, now + OPENING_LIMIT))
        await publish(tx, begun(session))
    payment = await _hold_and_open(deps, session)
    reply = PaymentSessionCreated(
        session_id=session.id,
        status=SHOWN[State.OPEN],
        total=session.total,
        lines=priced,
        expires_at=expires_at,
        payment_url=payment.url,
    )
    async with deps.database.transaction() as tx:
        opened = await sessions.open_session(tx, session.id, payment)
        if opened is None:
            raise Conflict("It took too long to open this payment; order again.", slug="session-expired")
        await publish(tx, *told(Transition.OPENED, opened))
        await caller.store_response(tx, reply)
    return reply


async def _hold_and_open(deps: Deps, session: Session) -> PaymentOpened:
    held = False
    try:
        await deps.product.hold_stock(session.id, session.wanted, session.expires_at)
        held = True
        return await deps.payments.open(session.id, session.total, description(session.lines), session.expires_at)
    except AppError as error:
        # Only a hold that was refused is known to hold nothing.
        release = held or not isinstance(error, Conflict)
        async with deps.database.transaction() as tx:
            ended = await sessions.end(tx, session.id, Transition.NOT_OPENED, error.slug, release=release)
            if ended is not None:
                await publish(tx, *told(Transition.NOT_OPENED, ended))
        raise

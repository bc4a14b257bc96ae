"""POST /order/api/payment-webhook: the payment provider reports the outcome of a payment.

An event's effect and the row that marks it as seen are one transaction, and the session's state decides whether it has
an effect; so events may arrive twice, late, in any order, and concurrently. A payment is recorded before the checkout
is completed; if the completion fails, a job retries it without the provider.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import AppError
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability.ids import note_id
from nextbuy.kit.wire import Request, Response
from nextbuy.order.checkout_completion import complete_checkout
from nextbuy.order.deps import Deps
from nextbuy.order.hold_release import release_hold
from nextbuy.order.model import OrderDelayed, Session, State
from nextbuy.order.provider_refunds import act_on_refund
from nextbuy.order.provider_webhook import WebhookEvent, WebhookKind, decode_webhook
from nextbuy.order.state_changes import adopt_early_refund, advance, record_unmatched_payment
from nextbuy.order.store import open_steps, sessions, transitions

_RECEIVED: Final = Response(200, b'{"received":true}')


async def payment_webhook(deps: Deps, caller: Caller, request: Request) -> Response:  # noqa: ARG001
    """Act on an event of the payment provider.

    Raises:
        BadRequest: the signature (`invalid-signature`) or the event (`invalid-event`) is invalid.
        Unavailable: the payment is recorded, but its order has to wait for another service (`order-delayed`), or its
            refund has to wait for the order (`refund-delayed`).
    """
    secrets = deps.settings.signing_secrets()
    header = request.headers.get(webhook_signature.HEADER)
    webhook_signature.verify(header, request.body, secrets, now=deps.clock().timestamp())

    event = decode_webhook(request.body)
    note_id("session", event.session_id)
    note_id("payment", event.payment_id)
    match event.kind:
        case WebhookKind.PAID:
            await _handle_paid(deps, event)
        case WebhookKind.FAILED | WebhookKind.DECLINED | WebhookKind.EXPIRED:
            await _handle_unpaid(deps, event)
        case WebhookKind.REFUNDED:
            await _handle_refunded(deps, event)
        case WebhookKind.IGNORED:
            pass
    return _RECEIVED


async def _handle_paid(deps: Deps, event: WebhookEvent) -> None:
    if event.session_id is None:
        await _store_unmatched_payment(deps, event)
        return
    session = await sessions.read_for_payment(deps.database, event.session_id, event.payment_id)
    if session is not None:
        session = await advance(deps.database, transitions.payment_received(session, event, deps.clock()))

    if session is None:
        if not await sessions.has_payment(deps.database, event.session_id, event.payment_id):
            if await _has_early_refund(deps, event):
                await _handle_paid(deps, event)
            else:
                await _store_unmatched_payment(deps, event)
            return
        # Duplicate webhook: complete the checkout if a crash interrupted it.
        session = await sessions.claim_paid_session(deps.database, event.session_id)
    if session is None:
        return
    if session.status is State.REFUNDED:
        await _release_hold(deps, session)
        return
    try:
        await complete_checkout(deps, session)
    except AppError as error:
        raise OrderDelayed(retry_after=1) from error


async def _has_early_refund(deps: Deps, event: WebhookEvent) -> bool:
    async with deps.database.transaction() as tx:
        return await adopt_early_refund(tx, event)


async def _store_unmatched_payment(deps: Deps, event: WebhookEvent) -> None:
    async with deps.database.transaction() as tx:
        await record_unmatched_payment(tx, event, deps.clock())


async def _handle_unpaid(deps: Deps, event: WebhookEvent) -> None:
    session_id, session = event.session_id, None
    async with deps.database.transaction() as tx:
        if await sessions.insert_webhook_event(tx, event) and session_id is not None:
            session = await advance(tx, _unpaid_step(event, session_id, deps.clock()))
    if session is not None and session.release_due:
        await _release_hold(deps, session)


def _unpaid_step(event: WebhookEvent, session_id: UUID, now: datetime) -> transitions.Step:
    match event.kind:
        case WebhookKind.DECLINED:
            return open_steps.declined(session_id, event.decline_code, now)
        case WebhookKind.FAILED:
            return transitions.payment_failed(session_id, event.reason)
        case _:
            return transitions.expired(session_id)


async def _release_hold(deps: Deps, session: Session) -> None:
    for claimed in await sessions.claim_releases(deps.database, 1, session_id=session.id):
        await release_hold(deps, claimed)


async def _handle_refunded(deps: Deps, event: WebhookEvent) -> None:
    async with deps.database.transaction() as tx:
        await act_on_refund(tx, event)

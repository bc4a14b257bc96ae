"""POST /order/api/payment-webhook: the payment provider tells what became of a payment.

Nothing is believed without a good signature. What is said takes effect in one statement or transaction that also marks
it as said, and only where the session's state allows it: so notices may come twice, late, in any order, a hundred at
once. Money is written down before anything is made of it; from then on recovery finishes it without the provider.
"""

from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.contracts.order import RefundDue
from nextbuy.contracts.values import Money
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability import telemetry
from nextbuy.kit.wire import Request, Response
from nextbuy.order.complete_checkout import note_refund, settle
from nextbuy.order.deps import Deps
from nextbuy.order.history import told
from nextbuy.order.hold_release import release_hold
from nextbuy.order.model import LATE, UNAWAITED, Transition, after
from nextbuy.order.provider_webhook import Kind, Notice, read_notice
from nextbuy.order.store import sessions
from nextbuy.order.store import unmatched_payments as strays
from nextbuy.order.store.sessions import Claim

_RECEIVED: Final = Response(200, b'{"received":true}')


async def payment_webhook(deps: Deps, caller: Caller, request: Request) -> Response:  # noqa: ARG001
    """Act on what the payment provider says.

    Raises:
        BadRequest: the signature is bad or old (`bad-signature`), or it is no event (`bad-event`); nothing has changed.
        Unavailable: what was said is kept, but a service that is needed is away; say it again later, or leave it to us.
    """
    secrets = deps.settings.signing_secrets()
    header = request.headers.get(webhook_signature.HEADER)
    webhook_signature.verify(header, request.body, secrets, now=deps.clock().timestamp())
    notice = read_notice(request.body)
    match notice.kind:
        case Kind.PAID:
            await _paid(deps, notice)
        case Kind.DECLINED | Kind.LAPSED:
            await _not_paid(deps, notice)
        case Kind.REFUNDED:
            await _refunded(deps, notice)
        case Kind.IGNORED:
            pass
    return _RECEIVED


async def _paid(deps: Deps, notice: Notice) -> None:
    money, session_id = notice.money, notice.session_id
    if money is None:
        return
    claim = None
    if session_id is not None:
        claim = await _take_money(deps, notice, session_id, money)
        if claim is None and await sessions.session_paid_by(deps.database, session_id, notice.payment_id):
            # Said before: at most there is something left to finish, which nobody else is at.
            claim = next(iter(await sessions.claim_work(deps.database, most=1, session_id=session_id)), None)
            if claim is None:
                return
    if claim is None:
        await _keep_stray(deps, notice)
        return
    try:
        await settle(deps, claim)
    except AppError as error:
        raise Unavailable(
            "The payment is kept, but what follows from it has to wait for another service.",
            slug="payment-kept",
            retry_after=1,
        ) from error


async def _take_money(deps: Deps, notice: Notice, session_id: UUID, money: Money) -> Claim | None:
    async with deps.database.transaction() as tx:
        claim = await sessions.take_money(tx, notice.event_id, notice.type, session_id, notice.payment_id, money)
        if claim is not None:
            right = claim.session.status is after(Transition.MONEY_CAME)
            happening = Transition.MONEY_CAME if right else Transition.WRONG_MONEY_CAME
            await publish(tx, *told(happening, claim.session))
    return claim


async def _keep_stray(deps: Deps, notice: Notice) -> None:
    if notice.money is None:
        return
    trace = telemetry.current_span()
    async with deps.database.transaction() as tx:
        if not await sessions.mark_seen(tx, notice.event_id, notice.type, notice.session_id):
            return
        buyer_id = await strays.insert_stray(
            tx,
            payment_id=notice.payment_id,
            session_id=notice.session_id,
            money=notice.money,
            reason=UNAWAITED,
            traceparent=trace.traceparent,
            correlation_id=trace.correlation_id,
        )
        if buyer_id is not None and notice.session_id is not None:
            await publish(
                tx,
                RefundDue(
                    session_id=notice.session_id,
                    buyer_id=buyer_id,
                    payment_id=notice.payment_id,
                    total=notice.money,
                    reason=UNAWAITED,
                ),
            )


async def _not_paid(deps: Deps, notice: Notice) -> None:
    declined = notice.kind is Kind.DECLINED
    happening = Transition.DECLINED if declined else Transition.LAPSED
    async with deps.database.transaction() as tx:
        if not await sessions.mark_seen(tx, notice.event_id, notice.type, notice.session_id):
            return
        if notice.session_id is None:
            return
        session = await sessions.end(tx, notice.session_id, happening, notice.reason if declined else LATE)
        if session is None:
            return
        await publish(tx, *told(happening, session))
    for claim in await sessions.claim_releases(deps.database, most=1, session_id=session.id):
        await release_hold(deps, claim)


async def _refunded(deps: Deps, notice: Notice) -> None:
    async with deps.database.transaction() as tx:
        if (
            await sessions.mark_seen(tx, notice.event_id, notice.type, notice.session_id)
            and notice.session_id is not None
        ):
            await note_refund(tx, notice.session_id, None)

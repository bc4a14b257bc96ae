"""At once, and then until they are taken: webhooks are carried to the shop, signed, through its front door.

What is not answered with 2xx is sent again, after a pause at random up to one that doubles each time, for three days.
"""

import logging
import random
import time
from datetime import timedelta
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.observability.telemetry import SpanContext, start_span, use_span
from nextbuy.kit.rpc.retry import backoff
from nextbuy.kit.wire import JSON, REQUEST_ID, Request
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.store import Delivery

log: Final = logging.getLogger(__name__)
_PATH: Final = "/order/api/payment-webhook"
_IDLE: Final = 0.5
"""Seconds between two looks for webhooks that another process has left."""
_ANSWER_WITHIN: Final = 10.0
_BASE, _CAP = 0.2, 60.0
_LONGEST: Final = timedelta(days=3)


async def deliver_webhooks(deps: Deps) -> bool:
    """Send what is due on its way, as soon as there is something; always to be called again."""
    room = await deps.courier.room(within=_IDLE)
    if room > 0:
        for delivery in await store.claim_deliveries(deps.database, most=room):
            deps.courier.start(_deliver(deps, delivery))
    return True


async def _deliver(deps: Deps, delivery: Delivery) -> None:
    trace = start_span(delivery.traceparent, delivery.correlation_id)
    with use_span(trace):
        try:
            await _until_taken(deps, delivery, await _try(deps, delivery, trace))
        except Exception:
            log.exception("webhook %s broke, and will be sent again", delivery.event_id)


async def _try(deps: Deps, delivery: Delivery, trace: SpanContext) -> bool:
    signed_at = int(deps.clock().timestamp())
    request = Request(
        "POST",
        _PATH,
        "",
        {
            "content-type": JSON,
            webhook_signature.HEADER: webhook_signature.sign(
                delivery.body, deps.settings.signing_secrets()[:1], at=signed_at
            ),
            "traceparent": trace.traceparent,
            REQUEST_ID: trace.correlation_id,
        },
        delivery.body,
    )
    began = time.perf_counter()
    outcome, status = "cancelled", 0
    try:
        status = (await deps.courier.transport.deliver(request, _ANSWER_WITHIN)).status
        outcome = "ok" if 200 <= status < 300 else "refused"  # noqa: PLR2004
    except AppError as error:
        outcome, status = error.slug, error.status
    finally:
        deps.journal.interaction(
            "webhook",
            "simulator",
            "gateway",
            delivery.type,
            trace=trace,
            began=began,
            outcome=outcome,
            status=status,
            attempt=delivery.tries,
        )
    return outcome == "ok"


async def _until_taken(deps: Deps, delivery: Delivery, taken: bool) -> None:  # noqa: FBT001
    if taken:
        await store.mark_delivered(deps.database, delivery.event_id)
    elif deps.clock() - delivery.created_at > _LONGEST:
        log.error("webhook %s was not taken in three days, and is given up", delivery.event_id)
        await store.give_up(deps.database, delivery.event_id)
    else:
        pause = backoff(delivery.tries - 1, base=_BASE, cap=_CAP, random=random.random)
        await store.postpone(deps.database, delivery.event_id, pause)
        deps.courier.wake_in(pause)

"""A job: send signed webhooks to the marketplace through its public gateway, until it accepts them.

A webhook that is not answered with 2xx is sent again after a backoff with jitter, for three days.
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
from nextbuy.simulator.store import ClaimedWebhook

log: Final = logging.getLogger(__name__)
_PATH: Final = "/order/api/payment-webhook"
_POLL_INTERVAL: Final = 5.0
"""Seconds between two polls for webhooks that a killed process left unsent; those stored here wake the job."""
_TIMEOUT: Final = 10.0
"""Seconds to wait for the marketplace's response; shorter than the claim of a webhook."""
_BASE, _MAX_DELAY = 0.2, 60.0
"""Seconds: the bound of the first random delay, and the longest delay."""
_MAX_AGE: Final = timedelta(days=3)


async def deliver_webhooks(deps: Deps) -> bool:
    """Wait for due webhooks and start their deliveries; always return true, to run again at once."""
    slots = await deps.dispatcher.free_slots(timeout=_POLL_INTERVAL)
    if slots > 0:
        for webhook in await store.claim_webhooks(deps.database, slots):
            deps.dispatcher.start(_deliver(deps, webhook))
    return True


async def _deliver(deps: Deps, webhook: ClaimedWebhook) -> None:
    span = start_span(webhook.traceparent, webhook.correlation_id)
    with use_span(span):
        try:
            await _record(deps, webhook, await _send(deps, webhook, span))
        except Exception:
            log.exception("webhook delivery failed; retry when the claim expires", extra={"event_id": webhook.event_id})


async def _send(deps: Deps, webhook: ClaimedWebhook, span: SpanContext) -> str:
    """Send a webhook; return the reason why it was not accepted, or an empty string."""
    signed_at = int(deps.clock().timestamp())
    signature = webhook_signature.sign(webhook.body, deps.settings.signing_secrets()[:1], at=signed_at)
    headers = {
        "content-type": JSON,
        webhook_signature.HEADER: signature,
        "traceparent": span.traceparent,
        REQUEST_ID: span.correlation_id,
    }
    began = time.perf_counter()
    outcome, status = "cancelled", 0
    try:
        response = await deps.dispatcher.transport.deliver(Request("POST", _PATH, "", headers, webhook.body), _TIMEOUT)
        status = response.status
        outcome = "ok" if 200 <= status < 300 else "refused"  # noqa: PLR2004
    except AppError as error:
        outcome, status = error.slug, error.status
    finally:
        deps.journal.interaction(
            "webhook",
            "simulator",
            "gateway",
            webhook.type,
            trace=span,
            began=began,
            outcome=outcome,
            status=status,
            attempt=webhook.attempts,
        )
    return "" if outcome == "ok" else f"{outcome} (status {status})"


async def _record(deps: Deps, webhook: ClaimedWebhook, failure: str) -> None:
    if not failure:
        await store.mark_delivered(deps.database, webhook)
    elif deps.clock() - webhook.created_at > _MAX_AGE:
        log.error("webhook not accepted for three days; it is not sent again", extra={"event_id": webhook.event_id})
        await store.give_up(deps.database, webhook)
    else:
        delay = backoff(webhook.attempts - 1, base=_BASE, cap=_MAX_DELAY, random=random.random)
        await store.reschedule(deps.database, webhook, delay, failure)
        deps.dispatcher.wake_in(delay)

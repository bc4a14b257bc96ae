"""Work on sessions and payments under claims: each in its own trace, concurrently, and retried after a failure."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from nextbuy.contracts.errors import AppError
from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.kit.rpc.retry import backoff
from nextbuy.order.model import Session
from nextbuy.order.store.unmatched_payments import UnmatchedPayment

Claimed = TypeVar("Claimed", Session, UnmatchedPayment)

log: Final = logging.getLogger(__name__)
BATCH: Final = 20
"""Sessions or payments that a job claims at a time."""
_MIN_DELAY, _BASE, _MAX_JITTER = 0.2, 0.5, 60.0
"""Seconds: a retry waits `_MIN_DELAY` plus jitter up to `_BASE`, doubled per attempt to at most `_MAX_JITTER`."""


async def run_claimed(claimed: Sequence[Claimed], act: Callable[[Claimed], Awaitable[None]]) -> bool:
    """Run `act` on what a job has claimed, and return true if there may be more.

    An exception is logged; the work is due again when its claim expires.
    """

    async def run(each: Claimed) -> None:
        with use_span(start_span(each.traceparent, each.correlation_id)):
            await act(each)

    for result in await asyncio.gather(*map(run, claimed), return_exceptions=True):
        if isinstance(result, Exception):
            log.error("work on a session or payment failed; retry when the claim expires", exc_info=result)
    return len(claimed) == BATCH


def retry_delay(attempts: int) -> float:
    """Return the seconds to wait after a number of failed attempts."""
    return _MIN_DELAY + backoff(attempts, base=_BASE, cap=_MAX_JITTER, random=random.random)


def log_retry(event: str, error: Exception, **ids: str) -> None:
    """Log an error after which a retry is scheduled. A transient one is not logged: the call itself was."""
    if isinstance(error, AppError):
        if not error.transient:
            log.error(event, extra={**ids, "slug": error.slug, "detail": str(error)})
    else:
        log.error(event, extra=ids, exc_info=error)

"""Work on sessions and payments under claims: run concurrently, and retried after a failure."""

import asyncio
import logging
import random
from collections.abc import Coroutine, Sequence
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.kit.rpc.retry import backoff

log: Final = logging.getLogger(__name__)
_MIN_DELAY, _BASE, _MAX_JITTER = 0.2, 0.5, 60.0
"""Seconds: a retry waits `_MIN_DELAY` plus jitter up to `_BASE`, doubled per attempt to at most `_MAX_JITTER`."""


async def gather_logged(work: Sequence[Coroutine[object, object, None]]) -> None:
    """Run work under claims concurrently and log each exception; failed work is due again when its claim expires."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("work on a session or payment failed; retry when the claim expires", exc_info=result)


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

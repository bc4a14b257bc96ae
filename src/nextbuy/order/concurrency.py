"""Concurrent work whose failures are independent."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Final

log: Final = logging.getLogger(__name__)


async def gather_logged(work: Sequence[Coroutine[object, object, None]]) -> None:
    """Run work under claims concurrently and log each exception; failed work is due again when its claim expires."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("work on a session or payment failed; retry when the claim expires", exc_info=result)

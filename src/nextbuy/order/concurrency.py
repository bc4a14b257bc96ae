"""Several acts at once, none of which another's failure ends."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Final

log: Final = logging.getLogger(__name__)


async def gather_logged(acts: Sequence[Coroutine[object, object, None]]) -> None:
    """Do all of them; one that breaks is logged, and what it left undone is due again when its claim has run out."""
    for result in await asyncio.gather(*acts, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("broke, and will be tried again", exc_info=result)

"""The status of a service: its version, its outbox, and the parts that its table of contents names.

Parts are read concurrently and within a time limit. A part that fails is reported as a problem; the other parts are
complete.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from nextbuy.contracts.status import GetStatus, ServiceStatus
from nextbuy.kit.deadline import time_left
from nextbuy.kit.events.error_text import describe
from nextbuy.kit.events.outbox_backlog import outbox_backlog
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.service import Service
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.migrations import RELEASE

log: Final = logging.getLogger(__name__)
_PART_TIMEOUT: Final = 0.8
"""Seconds per part: less than the gateway waits for the whole status."""


class StatusReporter:
    """Reads the status of one service."""

    def __init__(self, service: Service, database: Database, cache: SharedCache, breakers: Breakers) -> None:
        self._service = service
        self._database = database
        self._cache = cache
        self._breakers = breakers

    async def report(self, deps: object, _call: GetStatus) -> ServiceStatus:
        """Return the status."""
        parts = {part.__qualname__: part(deps) for part in self._service.status}
        if self._service.publishes:
            parts["outbox"] = self._outbox()
        results = await asyncio.gather(*(_read(name, part) for name, part in parts.items()))
        fields: dict[str, Any] = {}
        problems: list[str] = []
        for result in results:
            if isinstance(result, str):
                problems.append(result)
            else:
                problems += result.get("problems", [])
                fields |= {name: value for name, value in result.items() if name != "problems"}
        return ServiceStatus(
            version=RELEASE, cache=self._cache.counts, breakers=self._breakers.changed(), problems=problems, **fields
        )

    async def _outbox(self) -> dict[str, object]:
        return {"outbox": await outbox_backlog(self._database)}


async def _read(name: str, part: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any] | str:
    """Return the fields of a part, or why they cannot be read."""
    try:
        async with asyncio.timeout(min(_PART_TIMEOUT, max(0.0, time_left(_PART_TIMEOUT)))):
            return await part
    except Exception as error:  # noqa: BLE001  the other parts are still of use
        log.warning("status incomplete; a part cannot be read: %s: %r", name, error)
        return f"{name}: {describe(error)}"

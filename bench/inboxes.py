"""The inboxes of all services that events are delivered to."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg

from bench.market import Market
from bench.programs import ProgramError
from nextbuy.contracts.message import Event
from nextbuy.host.composition import SERVICES

_QUIET: Final = 0.5
"""Seconds without a new row after which all events count as applied."""
_TIMEOUT: Final = 60.0
_POLL_INTERVAL: Final = 0.05


class Inboxes:
    """The inboxes of a marketplace, and the outbox of order, whose events are awaited."""

    def __init__(self, order: "asyncpg.Connection[Any]", destinations: "list[asyncpg.Connection[Any]]") -> None:
        self._order = order
        self._destinations = destinations

    async def wait_for(self, events: int, since: datetime) -> float:
        """Wait until each service has applied `events` since a time; return the seconds from the first row to the last.

        Raises:
            ProgramError: they are not applied in time.
        """
        query = "SELECT count(DISTINCT event_id) AS events, min(at) AS first, max(at) AS last FROM inbox WHERE at > $1"
        ends = time.monotonic() + _TIMEOUT
        while time.monotonic() < ends:
            await self.wait_until_quiet()
            rows = [await one.fetchrow(query, since) for one in self._destinations]
            if all(row is not None and row["events"] >= events for row in rows):
                first: datetime = min(row["first"] for row in rows if row)
                last: datetime = max(row["last"] for row in rows if row)
                return (last - first).total_seconds()
        message = f"{events} events were not applied within {_TIMEOUT:.0f} s"
        raise ProgramError(message)

    async def wait_until_quiet(self) -> float:
        """Wait until order's events have been applied; return the seconds until the last one was."""
        loop = asyncio.get_running_loop()
        started = changed = loop.time()
        before = -1
        while loop.time() - changed < _QUIET and loop.time() - started < _TIMEOUT:
            waiting = await self._order.fetchval("SELECT EXISTS (SELECT FROM outbox)")
            applied = sum([await one.fetchval("SELECT count(*) FROM inbox") for one in self._destinations])
            if waiting or applied != before:
                before, changed = applied, loop.time()
            await asyncio.sleep(_POLL_INTERVAL)
        return changed - started


@asynccontextmanager
async def inboxes(target: Market, event: type[Event] | None = None) -> AsyncIterator[Inboxes]:
    """Connect to the inboxes of all services that subscribe, to one event if given, while the context lasts."""
    async with AsyncExitStack() as stack:

        async def connect(service: str) -> "asyncpg.Connection[Any]":
            connection = await asyncpg.connect(target.database_url(service))
            stack.push_async_callback(connection.close)
            return connection

        destinations = [
            name
            for name, hosted in SERVICES.items()
            if any(event is None or event in subscription.events for subscription in hosted.service.subscriptions)
        ]
        yield Inboxes(await connect("order"), [await connect(name) for name in destinations])

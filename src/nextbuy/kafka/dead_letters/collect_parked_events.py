"""Job: store a dead letter for each event that a publisher has parked because the bus rejected it.

Each run compares the complete list of each publisher with the dead letters, so a dead letter that was lost with the
database is stored again.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.parking import MAX_LISTED, MAX_NAMED
from nextbuy.kafka.dead_letters.parked_store import store_parked, unresolved
from nextbuy.kafka.deps import Deps

log: Final = logging.getLogger(__name__)


async def collect_parked_events(deps: Deps) -> None:
    """Store a dead letter for each parked event that has none; an unavailable publisher delays no other."""
    async with asyncio.TaskGroup() as tasks:
        for publisher in [publisher.name for publisher in deps.publishers]:
            tasks.create_task(_collect(deps, publisher))


async def _collect(deps: Deps, publisher: str) -> None:
    try:
        position, more = 0, True
        while more:
            page = await deps.parking.list_parked_events(publisher, position)
            dead_lettered = await unresolved(deps.database, [parked.event_id for parked in page])
            missing = [parked.event_id for parked in page if parked.event_id not in dead_lettered]
            for start in range(0, len(missing), MAX_NAMED):
                await _store(deps, publisher, missing[start : start + MAX_NAMED])
            more = len(page) == MAX_LISTED
            position = page[-1].position if page else position
    except AppError as error:
        log.warning("parked events of %s not listed as dead letters; the next run tries again: %s", publisher, error)


async def _store(deps: Deps, publisher: str, event_ids: Sequence[UUID]) -> None:
    """Store dead letters, with a call for as many events as fit a reply; skip events that are no longer parked."""
    unread = list(event_ids)
    while unread:
        events = await deps.parking.read_parked_events(publisher, unread)
        if not events:
            return
        await store_parked(deps.database, publisher, events)
        stored = {event.event_id for event in events}
        unread = [event_id for event_id in unread if event_id not in stored]

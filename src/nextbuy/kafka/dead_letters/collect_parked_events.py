"""Job: list the events that publishers have parked among the dead letters.

Each round compares the whole list of each publisher with the letters, so a letter that was lost with the database is
stored again.
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
    """Store a dead letter for each parked event that has none."""
    async with asyncio.TaskGroup() as tasks:
        for publisher in [source.name for source in deps.sources]:
            tasks.create_task(_collect(deps, publisher))


async def _collect(deps: Deps, publisher: str) -> None:
    try:
        position, more = 0, True
        while more:
            page = await deps.parking.list_parked_events(publisher, position)
            known = await unresolved(deps.database, [one.event_id for one in page])
            missing = [one.event_id for one in page if one.event_id not in known]
            for start in range(0, len(missing), MAX_NAMED):
                await _store(deps, publisher, missing[start : start + MAX_NAMED])
            more = len(page) == MAX_LISTED
            position = page[-1].position if page else position
    except AppError as error:
        log.debug("parked events of %s not listed; tried again in the next round: %s", publisher, error)


async def _store(deps: Deps, publisher: str, event_ids: Sequence[UUID]) -> None:
    """Store the letters of events in as many parts as the replies need; what is no longer parked is left out."""
    left = list(event_ids)
    while left:
        events = await deps.parking.read_parked_events(publisher, left)
        if not events:
            return
        await store_parked(deps.database, publisher, events)
        stored = {event.event_id for event in events}
        left = [event_id for event_id in left if event_id not in stored]

"""Every second: goes on with a rebuild that was asked for, for some seconds at a time.

It begins (from then on the bus fills both generations), reads the logs of the services that publish what it is made of,
switches, and takes the old generation's rows out. Each step is one transaction with how far it came, so that another
process goes on where one died. Where it cannot be done, the old generation stays, and the rebuild says why.
"""

import asyncio
import logging
import time
from typing import Final

import msgspec
from msgspec.structs import replace

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.message import Event, EventsRead, LoggedEvent
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.projection import PROJECTIONS, Projection, Told, apply
from nextbuy.kafka.store import projections as rows
from nextbuy.kafka.store import rebuilds
from nextbuy.kafka.store.rebuilds import Claimed, LeaseLost, Rebuild, Source
from nextbuy.kit.storage.database import as_app_error

log: Final = logging.getLogger(__name__)

SLICE: Final = 5.0
"""Seconds after which the lease is given back, to be taken again."""
BATCH: Final = 1_000
"""Events that are read and applied at a time."""
CLEARED: Final = 5_000
"""Rows that one transaction takes out."""


async def rebuild_projections(deps: Deps) -> bool:
    """Do a part of one rebuild; false where there is nothing to do."""
    claimed = await rebuilds.claim(deps.database)
    if claimed is None:
        return False
    try:
        await _go_on(deps, claimed)
    except LeaseLost:
        log.warning("The rebuild of %s is another process's by now.", claimed.rebuild.name)
    except Exception as error:
        if as_app_error(error) is not None or (isinstance(error, AppError) and error.transient):
            raise
        log.exception("%s cannot be rebuilt.", claimed.rebuild.name)
        await _fail(deps, claimed, error)
    finally:
        await rebuilds.let_go(deps.database, claimed)
    return True


async def _go_on(deps: Deps, claimed: Claimed) -> None:
    projection = PROJECTIONS[claimed.rebuild.name]
    ends = time.monotonic() + SLICE
    if claimed.rebuild.state == "asked":
        await _begin(deps, claimed, projection)
    if claimed.rebuild.state == "reading" and await _read(deps, claimed, projection, ends):
        await _switch(deps, claimed)
    if claimed.rebuild.state == "clearing":
        await _clear(deps, claimed, projection, ends)


async def _begin(deps: Deps, claimed: Claimed, projection: Projection) -> None:
    async with deps.database.transaction() as tx:
        await rows.lock(tx)
        generation = await rows.begin(tx, projection.name)
        sources = [Source(service) for service in projection.services]
        after = replace(claimed.rebuild, state="reading", generation=generation, sources=sources)
        await rebuilds.keep(tx, claimed, after)
    claimed.rebuild = after


async def _read(deps: Deps, claimed: Claimed, projection: Projection, ends: float) -> bool:
    """Read the logs and apply what they hold, until the time has come; true where all is read."""
    decoders = {event.topic: msgspec.json.Decoder(event) for event in projection.events}
    for place, source in enumerate(claimed.rebuild.sources):
        if source.done:
            continue
        coming = asyncio.ensure_future(_ask(deps, projection, source.service, source.position))
        try:
            while not claimed.rebuild.sources[place].done:
                if time.monotonic() > ends:
                    return False
                part = await coming
                read = _advanced(claimed.rebuild.sources[place], part)
                if not read.done:
                    # What is next is on its way while this is being written.
                    coming = asyncio.ensure_future(_ask(deps, projection, read.service, read.position))
                await _apply(deps, claimed, projection, place, read, _told(part.events, decoders))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
    return True


async def _ask(deps: Deps, projection: Projection, service: str, after: int) -> EventsRead:
    topics = projection.topics(service)
    match service:
        case "auth":
            return await deps.auth.read_events(after, limit=BATCH, topics=topics)
        case "seller":
            return await deps.seller.read_events(after, limit=BATCH, topics=topics)
        case "product":
            return await deps.product.read_events(after, limit=BATCH, topics=topics)
        case "order":
            return await deps.order.read_events(after, limit=BATCH, topics=topics)
        case _:
            message = f"the event log of {service} cannot be read from here"
            raise LookupError(message)


def _advanced(source: Source, part: EventsRead) -> Source:
    """Return how far a log is read with this part of it.

    It is read up to where it ended when this began: what is committed after that arrives on the bus. That a part is
    short says nothing, since large events make short parts.
    """
    last = source.last if source.last >= 0 else part.last
    position = part.events[-1].position if part.events else last
    return Source(source.service, position, last)


def _told(events: list[LoggedEvent], decoders: dict[str, "msgspec.json.Decoder[Event]"]) -> Told:
    return [(decoders[one.envelope.type].decode(one.envelope.data), one.envelope) for one in events]


async def _apply(deps: Deps, claimed: Claimed, projection: Projection, place: int, source: Source, told: Told) -> None:
    rebuild = claimed.rebuild
    sources = [*rebuild.sources[:place], source, *rebuild.sources[place + 1 :]]
    async with deps.database.transaction() as tx:
        held = await rows.generations(tx, projection.name)
        if rebuild.generation is None or rebuild.generation not in held[1:]:
            raise LeaseLost
        await apply(tx, projection, rebuild.generation, told)
        after = replace(rebuild, sources=sources, events=rebuild.events + len(told))
        await rebuilds.keep(tx, claimed, after)
    claimed.rebuild = after


async def _switch(deps: Deps, claimed: Claimed) -> None:
    rebuild = claimed.rebuild
    if rebuild.generation is None:
        raise LeaseLost
    async with deps.database.transaction() as tx:
        await rows.lock(tx)
        old = await rows.switch(tx, rebuild.name, rebuild.generation)
        after = replace(rebuild, state="clearing", cleared=old)
        await rebuilds.keep(tx, claimed, after)
    claimed.rebuild = after


async def _clear(deps: Deps, claimed: Claimed, projection: Projection, ends: float) -> None:
    """Take out what a generation that nobody reads or writes any more has left, until the time has come."""
    rebuild = claimed.rebuild
    if rebuild.cleared is not None:
        generation = rebuild.cleared
        for table in projection.tables:
            while await _some(deps, claimed, table, generation):
                if time.monotonic() > ends:
                    return
        while await _some(deps, claimed, None, generation):
            if time.monotonic() > ends:
                return
    async with deps.database.transaction() as tx:
        if rebuild.cleared is not None:
            await rows.clear_count(tx, projection.name, rebuild.cleared)
        await rebuilds.keep(tx, claimed, replace(rebuild, state="failed" if rebuild.error else "done"))


async def _some(deps: Deps, claimed: Claimed, table: str | None, generation: int) -> bool:
    """Take out some rows of a table, or of the inbox; false where there are no more."""
    handler = PROJECTIONS[claimed.rebuild.name].handler(generation)
    async with deps.database.transaction() as tx:
        await rebuilds.keep(tx, claimed, claimed.rebuild)
        if table is None:
            gone = await rows.clear_seen(tx, handler, most=CLEARED)
        else:
            gone = await rows.clear(tx, table, generation, most=CLEARED)
    return gone == CLEARED


async def _fail(deps: Deps, claimed: Claimed, error: Exception) -> None:
    """Leave the old generation as it is, and take out what was begun of the other."""
    rebuild: Rebuild = claimed.rebuild
    if rebuild.state == "clearing":
        raise error
    async with deps.database.transaction() as tx:
        await rows.lock(tx)
        if rebuild.generation is not None:
            await rows.give_up(tx, rebuild.name, rebuild.generation)
        why = f"{type(error).__name__}: {error}"[:500]
        await rebuilds.keep(tx, claimed, replace(rebuild, state="clearing", cleared=rebuild.generation, error=why))

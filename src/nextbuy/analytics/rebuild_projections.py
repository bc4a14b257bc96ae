"""Job: continue a requested rebuild for some seconds.

A rebuild starts a generation (a new set of the projection's rows), to which consumers apply events from then on. It
reads the event logs of the publishing services, makes the new generation the current one, and deletes the old rows.
Each step is one transaction that stores the progress under a lease, so another process continues if this one dies. If a
rebuild fails, the old generation stays in use, and the rebuild stores the reason.
"""

import asyncio
import logging
import time
from typing import Final

import msgspec

from nextbuy.analytics.aggregates import Events
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.projection import PROJECTIONS, Projection, apply
from nextbuy.analytics.store import projections as store
from nextbuy.analytics.store import rebuilds
from nextbuy.analytics.store.rebuilds import ClaimedRebuild, LeaseLost, LogProgress, Rebuild
from nextbuy.contracts.message import Event, EventsRead, LoggedEvent
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import transient

log: Final = logging.getLogger(__name__)

SLICE: Final = 5.0
"""Seconds after which a rebuild is released to be claimed again, so that a shutdown does not wait long."""
BATCH_SIZE: Final = 1_000
"""Events read and applied at a time: about a megabyte, and well under a second."""
DELETE_LIMIT: Final = 5_000
"""Rows deleted per transaction, in well under a second."""


async def rebuild_projections(deps: Deps) -> bool:
    """Work on one rebuild for up to `SLICE` seconds; return false if none is requested."""
    claimed = await rebuilds.claim(deps.database)
    if claimed is None:
        return False
    work = _Work(deps, claimed)
    try:
        await work.advance()
    except LeaseLost:
        log.warning("rebuild of projection %s lost its lease; another process continues", claimed.rebuild.name)
    except Exception as error:
        if transient(error) is not None:
            raise
        log.exception("rebuild of projection %s failed; the old generation stays in use", claimed.rebuild.name)
        await work.fail(error)
    finally:
        await rebuilds.release(deps.database, work.claimed)
    return True


class _Work:
    """The steps of one claimed rebuild."""

    def __init__(self, deps: Deps, claimed: ClaimedRebuild) -> None:
        self._deps = deps
        self._database = deps.database
        self._projection: Projection = PROJECTIONS[claimed.rebuild.name]
        self._deadline = time.monotonic() + SLICE
        self.claimed = claimed

    @property
    def _rebuild(self) -> Rebuild:
        return self.claimed.rebuild

    async def advance(self) -> None:
        """Run the remaining steps until the deadline."""
        if self._rebuild.state == "requested":
            await self._start()
        if self._rebuild.state == "reading" and await self._read_logs():
            await self._switch()
        if self._rebuild.state == "clearing":
            await self._delete_obsolete()

    async def fail(self, error: Exception) -> None:
        """Keep the old generation, and mark the new one for deletion."""
        if self._rebuild.state == "clearing":
            raise error
        async with self._database.transaction() as tx:
            await store.lock_exclusively(tx)
            if self._rebuild.generation is not None:
                await store.abandon_generation(tx, self._rebuild.name, self._rebuild.generation)
            reason = f"{type(error).__name__}: {error}"[:500]
            saved = await rebuilds.save(
                tx, self.claimed, state="clearing", obsolete=self._rebuild.generation, error=reason
            )
        self.claimed = saved

    async def _start(self) -> None:
        event_logs = [LogProgress(service) for service in self._projection.services]
        async with self._database.transaction() as tx:
            await store.lock_exclusively(tx)
            generation = await store.start_generation(tx, self._projection.name)
            saved = await rebuilds.save(tx, self.claimed, state="reading", generation=generation, event_logs=event_logs)
        self.claimed = saved

    async def _read_logs(self) -> bool:
        """Read the event logs and apply their events; return false if the deadline came first."""
        decoders = {event.topic: msgspec.json.Decoder(event) for event in self._projection.events}
        for index, log_progress in enumerate(self._rebuild.event_logs):
            if log_progress.done:
                continue
            next_part = asyncio.ensure_future(_read_events(self._deps, self._projection, log_progress))
            try:
                while not self._rebuild.event_logs[index].done:
                    if time.monotonic() > self._deadline:
                        return False
                    part = await next_part
                    progress = _advance(self._rebuild.event_logs[index], part)
                    if not progress.done:
                        # The next part is fetched while this one is applied.
                        next_part = asyncio.ensure_future(_read_events(self._deps, self._projection, progress))
                    await self._apply(index, progress, _decode(part.events, decoders))
            finally:
                next_part.cancel()
                await asyncio.gather(next_part, return_exceptions=True)
        return True

    async def _apply(self, index: int, progress: LogProgress, events: Events) -> None:
        rebuild = self._rebuild
        event_logs = [*rebuild.event_logs[:index], progress, *rebuild.event_logs[index + 1 :]]
        async with self._database.transaction() as tx:
            generations = await store.lock_generations(tx, rebuild.name)
            if rebuild.generation is None or rebuild.generation not in generations[1:]:
                raise LeaseLost
            await apply(tx, self._projection, rebuild.generation, events)
            saved = await rebuilds.save(tx, self.claimed, event_logs=event_logs, events=rebuild.events + len(events))
        self.claimed = saved

    async def _switch(self) -> None:
        if self._rebuild.generation is None:
            raise LeaseLost
        async with self._database.transaction() as tx:
            await store.lock_exclusively(tx)
            old = await store.switch_generation(tx, self._rebuild.name, self._rebuild.generation)
            saved = await rebuilds.save(tx, self.claimed, state="clearing", obsolete=old)
        self.claimed = saved

    async def _delete_obsolete(self) -> None:
        """Delete the rows of the obsolete generation until the deadline, then end the rebuild."""
        generation = self._rebuild.obsolete
        if generation is not None:
            for table in (*self._projection.tables, "inbox"):
                while await self._delete_batch(table, generation):
                    if time.monotonic() > self._deadline:
                        return
        async with self._database.transaction() as tx:
            if generation is not None:
                await store.delete_counts(tx, self._projection.name, generation)
            saved = await rebuilds.save(tx, self.claimed, state="failed" if self._rebuild.error else "done")
        self.claimed = saved

    async def _delete_batch(self, table: str, generation: int) -> bool:
        """Delete some rows of a table, and return whether more are left."""
        async with self._database.transaction() as tx:
            saved = await rebuilds.save(tx, self.claimed)
            if table == "inbox":
                name = self._projection.inbox_name(generation)
                deleted = await store.delete_inbox_rows(tx, name, limit=DELETE_LIMIT)
            else:
                deleted = await store.delete_rows(tx, table, generation, limit=DELETE_LIMIT)
        self.claimed = saved
        return deleted == DELETE_LIMIT


async def _read_events(deps: Deps, projection: Projection, progress: LogProgress) -> EventsRead:
    """Read the next part of a service's event log."""
    topics = projection.topics(progress.service)
    match progress.service:
        case "auth":
            return await deps.auth.read_events(progress.position, limit=BATCH_SIZE, topics=topics)
        case "seller":
            return await deps.seller.read_events(progress.position, limit=BATCH_SIZE, topics=topics)
        case "product":
            return await deps.product.read_events(progress.position, limit=BATCH_SIZE, topics=topics)
        case "order":
            return await deps.order.read_events(progress.position, limit=BATCH_SIZE, topics=topics)
        case _:
            message = f"analytics has no call to read the event log of {progress.service}"
            raise LookupError(message)


def _advance(progress: LogProgress, part: EventsRead) -> LogProgress:
    """Return the progress in a log after a part of it.

    A log is read to where it ended at the first read; later events arrive on the bus. Only an empty part means the end,
    since large events make short parts.
    """
    last = progress.last if progress.last >= 0 else part.last
    position = part.events[-1].position if part.events else last
    return LogProgress(progress.service, position, last)


def _decode(events: list[LoggedEvent], decoders: dict[str, "msgspec.json.Decoder[Event]"]) -> Events:
    return [
        InboundEvent(decoders[logged.envelope.type].decode(logged.envelope.data), logged.envelope, b"", logged.position)
        for logged in events
    ]

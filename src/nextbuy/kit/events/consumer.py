"""Reads the bus for one service; an event is acknowledged when every handler is done with it, never before.

At least once on the wire, once in effect: what came twice is known by the inbox. Topics are worked on side by side,
one batch of each at a time, so that one whose handler waits for a callee holds up no other. What no handler can be
given, because it cannot be read, is buried. How a handler's failures are taken is told in `handling.py`.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

from nextbuy.kit.events.bus.interface import Batch, Bus, BusUnavailable, Delivery
from nextbuy.kit.events.dead_letters import store as dead_letters
from nextbuy.kit.events.handling import Handling, RetryPolicy, Stopped
from nextbuy.kit.events.inbound import EventDecoder as EventReader
from nextbuy.kit.events.inbound import InboundEvent, UndecodableEvent
from nextbuy.kit.events.replayer import Replayer
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service import Service
from nextbuy.kit.storage.database import Database

log: Final = logging.getLogger(__name__)

MOST: Final = 500
"""Events of one topic that are in hand at a time."""
_GRACE: Final = 3.0
"""Seconds that what is in hand may take when the consumer is stopped."""
_AFTER_DEFECT: Final = 1.0
"""Seconds before a batch is tried again after an error that nothing here foresaw."""


class Consumer:
    """The listening side of one service."""

    def __init__(
        self,
        service: Service,
        deps: Any,  # noqa: ANN401  each service has its own
        database: Database,
        bus: Bus,
        journal: Journal,
        *,
        group: str,
    ) -> None:
        """Run the handlers of the service's table of contents."""
        self._database = database
        self._bus = bus
        self._group = group
        self._stopping = asyncio.Event()
        self._patience = RetryPolicy(self._stopping)
        self._reader = EventReader(event for listening in service.listens for event in listening.events)
        self._handlings: dict[str, list[Handling]] = defaultdict(list)
        for listening in service.listens:
            handling = Handling(listening, deps, database, journal, self._patience)
            for event in listening.events:
                self._handlings[event.topic].append(handling)
        self.replayer = Replayer(database, self._reader, self._handlings)

    async def run(self) -> None:
        """Consume for ever; cancel it to stop it.

        What is in hand is then finished within 3 s, or comes again, and the place is given back.
        """
        self._stopping.clear()
        subscription = self._bus.subscribe(self._group, self._reader.topics, most=MOST)
        working: set[asyncio.Task[None]] = set()
        try:
            async for batch in subscription.batches():
                task = asyncio.create_task(self._work(batch))
                working.add(task)
                task.add_done_callback(working.discard)
        finally:
            self._stopping.set()
            if working:
                _, late = await asyncio.wait(working, timeout=_GRACE)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
            await subscription.close()

    async def _work(self, batch: Batch) -> None:
        done = 0
        try:
            done = await self._deliver(batch)
        except Stopped:
            log.debug("A batch of %s is left for later.", batch.topic)
        except Exception:
            log.exception("A batch of %s could not be worked on; it comes again.", batch.topic)
            await asyncio.sleep(_AFTER_DEFECT)
        finally:
            try:
                await batch.acknowledge(done)
            except BusUnavailable as error:
                log.debug("What was done of %s comes again: %s", batch.topic, error)

    async def _deliver(self, batch: Batch) -> int:
        """Have every handler apply the deliveries in order, and return with how many of them we are done."""
        items: list[InboundEvent] = []
        places: list[int] = []
        poison: list[tuple[Delivery, UndecodableEvent]] = []
        for place, delivery in enumerate(batch.deliveries):
            try:
                items.append(self._reader.read(batch.topic, delivery.body))
                places.append(place)
            except UndecodableEvent as error:
                poison.append((delivery, error))
        if poison:
            await self._bury(batch.topic, poison)
        done = len(items)
        for handling in self._handlings[batch.topic]:
            done = min(done, await handling.handle(items))
        return places[done] if done < len(items) else len(batch.deliveries)

    async def _bury(self, topic: str, poison: Sequence[tuple[Delivery, UndecodableEvent]]) -> None:
        async def buried() -> None:
            async with self._database.transaction() as tx:
                for delivery, error in poison:
                    origin = error.event_id or f"{delivery.position}/{crc32(delivery.body):08x}"
                    await dead_letters.dead_letter(
                        tx,
                        topic,
                        delivery.body,
                        error,
                        origin=f"{topic}/{origin}",
                        attempts=1,
                        event_id=error.event_id,
                        event_type=error.event_type,
                    )

        await self._patience.retry_until_stopped(f"Unreadable events of {topic}", buried)
        for _, error in poison:
            log.error("An event of %s cannot be read and is a dead letter: %s", topic, error)

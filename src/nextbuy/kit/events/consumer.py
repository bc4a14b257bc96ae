"""The consumer delivers events from the bus to a service's handlers; each event has its effect once.

It acknowledges an event only after every handler has applied or dead-lettered it, so a crash brings the event again,
and the inbox drops the duplicate. Topics are processed concurrently, one batch of each at a time: a handler that waits
for its callee delays no other topic. A message that cannot be decoded becomes a dead letter without a handler.
`handling.py` says how failures of handlers are treated.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

from nextbuy.kit.events.bus.interface import Batch, Bus, BusUnavailable, Delivery
from nextbuy.kit.events.dead_letters import store as dead_letters
from nextbuy.kit.events.handling import Handling
from nextbuy.kit.events.inbound import EventDecoder, InboundEvent, UndecodableEvent
from nextbuy.kit.events.replayer import Replayer
from nextbuy.kit.events.retry_policy import RetryPolicy, Stopped
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service import Service
from nextbuy.kit.storage.database import Database

log: Final = logging.getLogger(__name__)

BATCH_SIZE: Final = 500
"""Events of one topic that are processed at a time."""
_SHUTDOWN_GRACE: Final = 3.0
"""Seconds that batches in progress may take to finish at shutdown; less than the supervisor waits."""
_DEFECT_PAUSE: Final = 1.0
"""Seconds before a batch is retried after an unforeseen error, so that a defect does not spin."""


class Consumer:
    """The consumer of one service."""

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
        self._database = database
        self._bus = bus
        self._group = group
        self._stopping = asyncio.Event()
        self._retry_policy = RetryPolicy(self._stopping)
        self._decoder = EventDecoder(event for listening in service.listens for event in listening.events)
        self._handlings: dict[str, list[Handling]] = defaultdict(list)
        for listening in service.listens:
            handling = Handling(listening, deps, database, journal, self._retry_policy)
            for event in listening.events:
                self._handlings[event.topic].append(handling)
        self.replayer = Replayer(database, self._decoder, self._handlings)

    async def run(self) -> None:
        """Consume until cancelled.

        Batches in progress are then finished within `_SHUTDOWN_GRACE`, or delivered again, and the subscription closed.
        """
        self._stopping.clear()
        subscription = self._bus.subscribe(self._group, self._decoder.topics, batch_size=BATCH_SIZE)
        tasks: set[asyncio.Task[None]] = set()
        try:
            async for batch in subscription.batches():
                task = asyncio.create_task(self._process(batch))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            self._stopping.set()
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=_SHUTDOWN_GRACE)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
            await subscription.close()

    async def _process(self, batch: Batch) -> None:
        done = 0
        try:
            done = await self._deliver(batch)
        except Stopped:
            log.debug("shutdown; batch of %s not processed", batch.topic)
        except Exception:
            log.exception("processing of a batch of %s crashed; delivered again", batch.topic)
            await asyncio.sleep(_DEFECT_PAUSE)
        finally:
            try:
                await batch.acknowledge(done)
            except BusUnavailable as error:
                log.debug("acknowledgement of %s failed; delivered again: %s", batch.topic, error)

    async def _deliver(self, batch: Batch) -> int:
        """Run every handler on the deliveries, in order, and return how many may be acknowledged."""
        items: list[InboundEvent] = []
        indexes: list[int] = []
        poison: list[tuple[Delivery, UndecodableEvent]] = []
        for index, delivery in enumerate(batch.deliveries):
            try:
                items.append(self._decoder.decode(batch.topic, delivery.body))
                indexes.append(index)
            except UndecodableEvent as error:
                poison.append((delivery, error))
        if poison:
            await self._dead_letter(batch.topic, poison)
        done = len(items)
        for handling in self._handlings[batch.topic]:
            done = min(done, await handling.handle(items))
        return indexes[done] if done < len(items) else len(batch.deliveries)

    async def _dead_letter(self, topic: str, poison: Sequence[tuple[Delivery, UndecodableEvent]]) -> None:
        async def store() -> None:
            async with self._database.transaction() as tx:
                for delivery, error in poison:
                    identity = error.event_id or f"{delivery.position}/{crc32(delivery.body):08x}"
                    await dead_letters.dead_letter(
                        tx,
                        topic,
                        delivery.body,
                        error,
                        delivery_key=f"{topic}/{identity}",
                        attempts=1,
                        event_id=error.event_id,
                        event_type=error.event_type,
                    )

        await self._retry_policy.retry_until_stopped(f"dead-lettering of {topic}", store)
        for _, error in poison:
            log.error("undecodable event of %s dead-lettered: %s", topic, error)

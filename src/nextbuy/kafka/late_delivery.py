"""Late delivery hands events from event logs to the dispatchers of this process, which send them after new ones.

The bus has lost these events, or an operator has them sent again. They are not stored here: if the process stops, the
comparison or the resend reads them from the event log again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.events.bus.interface import Delivery


class LateEvent(Struct, frozen=True):
    """An event from an event log, its position there, and the subscriptions to deliver it to."""

    event_id: UUID
    position: int
    body: bytes
    subscriptions: Sequence[str]


class LateBatch:
    """Late events of one topic, in order, in the form of a batch from the bus; `done` is whether all were delivered."""

    deliveries: Sequence[Delivery] = ()

    def __init__(self, topic: str, events: Sequence[LateEvent]) -> None:
        self.topic = topic
        self.events = events
        self.withdrawn = False
        """Whether its events are not to be sent any more."""
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def acknowledge(self, count: int | None = None) -> None:
        """Complete `done`; a `count` means that the dispatcher stops before it has delivered the rest."""
        if not self.done.done():
            self.done.set_result(count is None)


class LateDelivery:
    """The queues of the dispatchers of this process, by destination."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, asyncio.Queue[LateBatch]] = defaultdict(asyncio.Queue)

    def queue(self, destination: str) -> "asyncio.Queue[LateBatch]":
        """Return the queue that the dispatcher of a destination reads."""
        return self._queues[destination]

    async def deliver(self, destination: str, topic: str, events: Sequence[LateEvent], timeout: float) -> bool:
        """Deliver events of one topic in order, and return whether each is applied or a dead letter.

        After `timeout` seconds, undelivered events are withdrawn; one that is being sent may still be delivered.
        """
        batch = LateBatch(topic, events)
        self._queues[destination].put_nowait(batch)
        try:
            async with asyncio.timeout(timeout):
                return await batch.done
        except TimeoutError:
            return False
        finally:
            batch.withdrawn = True

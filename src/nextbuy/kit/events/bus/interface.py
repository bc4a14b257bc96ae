"""What a bus must do; `bus_redis.py` and `bus_kafka.py` do it, and one conformance suite holds both to it.

Promises: what `publish` returned from has been stored by the engine; events of one key are delivered in the order they
were published; an event is delivered again until it is acknowledged; two consumers of one group never work on events of
one key at the same time.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from msgspec import Struct

RETENTION_DAYS: Final = 30
"""For so long an engine keeps an event, delivered or not; what an inbox remembers it for is longer."""

MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Bytes of events after which a batch ends, however few they are."""


class BusUnavailable(Exception):
    """The engine is out of reach; nothing is known of what was being done, and it may be done again."""


class BusMessage(Struct, frozen=True):
    """Bytes on the bus: which topic, the key that orders them, and an `Envelope` as JSON."""

    topic: str
    key: str
    body: bytes


class Delivery(Struct, frozen=True):
    """A packet that has arrived; `position` is the engine's own word for where it stood."""

    topic: str
    position: str
    body: bytes


class Batch(Protocol):
    """Deliveries of one topic, those of one key in order; what is not acknowledged comes again."""

    topic: str
    deliveries: Sequence[Delivery]

    async def acknowledge(self, count: int | None = None) -> None:
        """Say that the first `count` (all, where None) are done with.

        Raises:
            BusUnavailable: it could not be said; they will come again.
        """
        ...


class Subscription(Protocol):
    """A place in a group."""

    def batches(self) -> AsyncIterator[Batch]:
        """Give batches for ever, waiting where there is nothing; an engine that is away is waited for."""
        ...

    async def close(self) -> None:
        """Give the place back at once, so that another consumer takes over."""
        ...


class Bus(Protocol):
    """Carries packets."""

    async def publish(self, packets: Sequence[BusMessage]) -> None:
        """Store packets, in this order.

        Raises:
            BusUnavailable: some or all may not be stored.
        """
        ...

    def subscribe(self, group: str, topics: Sequence[str], *, most: int = 200) -> Subscription:
        """Take a place in a group that reads topics from their beginning, at most `most` at a time, fewer if large."""
        ...

    async def close(self) -> None:
        """Let go of the engine."""
        ...

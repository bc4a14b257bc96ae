"""The bus: one interface to either engine, Redis Streams (`redis.py`) or Apache Kafka (`kafka.py`), tested alike.

The engine has stored a message before `publish` returns. Messages of one key are delivered in the order of publishing,
and again until they are acknowledged. Two consumers of a group never process messages of one key at the same time.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from nextbuy.contracts.status import Backlog

RETENTION_DAYS: Final = 30
"""Days that an engine stores a message, delivered or not; an inbox row stays for longer."""

MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Bytes of bodies after which a batch ends: a bound on the memory of a consumer of large messages."""

MAX_POSITION: Final = 2**63 - 1
"""The highest position in an event log (PostgreSQL's `bigint`)."""
_MAX_DIGITS: Final = len(str(MAX_POSITION))


class BusUnavailable(Exception):
    """A failure to get an answer from the engine. The operation may have taken effect, and may be repeated."""


class MessageRejected(Exception):
    """A failure that publishing the same messages again cannot cure: at least one is too large or malformed.

    Some of them may be stored.
    """


class TopicRefused(Exception):
    """A refusal of all messages of some topics, for their state and not for the messages: no permission, no such topic.

    The messages of other topics may be stored or not, and are to be published again without these topics.
    """

    def __init__(self, reason: str, topics: Collection[str]) -> None:
        super().__init__(reason)
        self.topics = frozenset(topics)


class Risk(Struct, frozen=True):
    """A property of the engine that an operator should change."""

    name: str
    problem: str
    """The problem and its remedy, for the operator."""
    severity: Literal["critical", "warning", "unknown"] = "critical"
    """`critical`: they may be lost, or another marketplace uses them; `warning`: may wait; `unknown`: unreadable."""


class BusMessage(Struct, frozen=True):
    """A message to publish: its topic, the key that orders it, and an `Envelope` as JSON.

    `position` is that of the event in its publisher's event log; it travels beside the body.
    """

    topic: str
    key: str
    body: bytes
    position: int


class Delivery(Struct, frozen=True):
    """A message from the bus, with its offset in the engine's notation.

    `position` is that of the event in its publisher's event log, or 0 if it arrived without a valid one.
    """

    topic: str
    offset: str
    body: bytes
    position: int


def parse_position(digits: bytes | None) -> int:
    """Return the position that arrived with a message, or 0 if it is missing or invalid."""
    if digits is None or not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return 0
    position = int(digits)
    return position if position <= MAX_POSITION else 0


TopicEnd = Mapping[int, int]
"""The end of a topic: by partition, a number that rises with each message; empty if the topic does not exist."""


class Batch(Protocol):
    """Deliveries of one topic, in order per key; those that are not acknowledged are delivered again."""

    topic: str
    deliveries: Sequence[Delivery]

    async def acknowledge(self, count: int | None = None) -> None:
        """Acknowledge the first `count` deliveries, or all if None.

        Raises:
            BusUnavailable: the engine did not store it; the deliveries arrive again.
        """
        ...


class Subscription(Protocol):
    """A member of a consumer group."""

    def batches(self) -> AsyncIterator[Batch]:
        """Yield batches without end, waiting for messages and for an unavailable engine."""
        ...

    async def close(self) -> None:
        """Leave the group at once, so that another member takes over."""
        ...


class Bus(Protocol):
    """A connection to an engine that stores and delivers messages."""

    carrier: str
    """The name of the engine for people, in logs, health and the demo."""

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        """Store messages, in this order.

        Raises:
            BusUnavailable: some or all may not be stored.
            MessageRejected: one of them can never be stored.
            TopicRefused: the messages of some topics cannot be stored at present.
        """
        ...

    def subscribe(self, group: str, topics: Sequence[str], *, batch_size: int = 200) -> Subscription:
        """Join a group that reads topics from their beginning, in batches of up to `batch_size` messages."""
        ...

    async def backlogs(self, groups: Mapping[str, Collection[str]]) -> dict[str, Backlog]:
        """Return the messages of its topics that each group has not acknowledged; `groups` are topics by group.

        Raises:
            BusUnavailable: the engine does not answer.
        """
        ...

    async def risks(self, topics: Sequence[str]) -> list[Risk]:
        """Return the properties of the engine that may lose events of these topics, or have them wait.

        Raises:
            BusUnavailable: the engine does not answer.
        """
        ...

    async def claim_prefix(self, fingerprint: str) -> list[Risk]:
        """Claim our prefix for one marketplace; return a risk if another has claimed it.

        Of several marketplaces that claim it at once, one wins. A marker that the engine has lost is stored again.

        Raises:
            BusUnavailable: the engine does not answer.
        """
        ...

    async def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        """Return the end of each topic: every message that is stored now lies before it.

        Raises:
            BusUnavailable: the engine did not answer.
        """
        ...

    async def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        """Return for each topic and end whether a group has acknowledged every message before it that still exists.

        Raises:
            BusUnavailable: the engine did not answer.
        """
        ...

    async def close(self) -> None:
        """Disconnect from the engine."""
        ...

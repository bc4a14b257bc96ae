"""What comes off the bus, read: an event with its envelope, or why it can be none.

A sender may be newer than we are, so fields that we do not know are passed over; a field that is missing or of another
type is not.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.message import Envelope, Event

_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_envelope: Final = msgspec.json.Decoder(Envelope).decode


class InboundEvent(Struct, frozen=True):
    """An event that has arrived: what it says, its envelope, and the bytes it came as."""

    event: Event
    envelope: Envelope
    body: bytes

    @property
    def id(self) -> UUID:
        """The event's id, the same however often it comes."""
        return self.envelope.id


class UndecodableEvent(Exception):
    """Bytes that are no event of their topic; `event_id` is None where not even that could be read."""

    def __init__(self, reason: str, event_id: UUID | None = None, event_type: str = "") -> None:
        """Say why."""
        super().__init__(reason)
        self.event_id = event_id
        self.event_type = event_type


class EventDecoder:
    """Reads the events of some classes."""

    def __init__(self, events: Iterable[type[Event]]) -> None:
        """Read these, each from its own topic."""
        self._decoders = {event.topic: msgspec.json.Decoder(event) for event in events}

    @property
    def topics(self) -> list[str]:
        """The topics of these events."""
        return list(self._decoders)

    def read(self, topic: str, body: bytes) -> InboundEvent:
        """Return the event that these bytes of a topic are.

        Raises:
            UndecodableEvent: they are none.
        """
        try:
            envelope = _envelope(body)
        except _UNREADABLE as error:
            raise UndecodableEvent(f"This is no envelope: {error}") from error
        if envelope.type != topic or topic not in self._decoders:
            raise UndecodableEvent(f"An event of type {envelope.type} came on {topic}.", envelope.id, envelope.type)
        try:
            event = self._decoders[topic].decode(envelope.data)
        except _UNREADABLE as error:
            raise UndecodableEvent(f"The data is not that of the type: {error}", envelope.id, envelope.type) from error
        return InboundEvent(event, envelope, body)

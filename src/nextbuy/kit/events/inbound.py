"""Messages from the bus, decoded: an event with its envelope, or the reason why it cannot be decoded.

The publisher may be newer than this process, so unknown fields are ignored. A missing field, a wrong type, a value
beyond its bound, the NUL character, and a missing position are errors.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kit.events.bus.interface import MAX_POSITION
from nextbuy.kit.field_messages import explain

_DECODE_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
NUL_REASON: Final = "a text contains the NUL character"
_NUL_ESCAPE: Final = rb"\u0000"
_CACHED_SIZE: Final = 4_096
"""Bytes of the largest envelope that is cached: in one process, every destination decodes the same envelopes."""
_decode_envelope: Final = msgspec.json.Decoder(Envelope).decode
_cached_envelope: Final = lru_cache(1_024)(_decode_envelope)


class InboundEvent(Struct, frozen=True):
    """An event that arrived, with its envelope and the bytes of both.

    `position` is that in its publisher's event log. Topics are delivered independently of each other, so what keeps
    or shows the latest state compares the positions of one publisher's events.
    """

    event: Event
    envelope: Envelope
    body: bytes
    position: int

    @property
    def id(self) -> UUID:
        """The event's id, the same in every delivery."""
        return self.envelope.id


class UndecodableEvent(Exception):
    """A message that is not an event of its topic; `event_id` is None if it has no valid envelope."""

    def __init__(self, reason: str, event_id: UUID | None = None, event_type: str = "") -> None:
        super().__init__(reason)
        self.event_id = event_id
        self.event_type = event_type


def has_nul(body: bytes) -> bool:
    """Return whether a text or a name in valid JSON contains NUL, which no PostgreSQL text can hold."""
    # Most bodies are not decoded again: JSON has no other form of NUL, but its escape may itself be escaped.
    return _NUL_ESCAPE in body and _contains_nul(msgspec.json.decode(body))


def _contains_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_contains_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_contains_nul(item) for item in value)


class EventDecoder:
    """A decoder for a set of event classes."""

    def __init__(self, events: Iterable[type[Event]]) -> None:
        self._decoders = {event.topic: msgspec.json.Decoder(event) for event in events}

    @staticmethod
    def envelope(body: bytes, position: int, topic: str | None = None, source: str | None = None) -> Envelope:
        """Decode the envelope of a message; `topic` and `source` are those that it must have.

        Raises:
            UndecodableEvent: the envelope or the position is invalid, or of another topic or source.
        """
        envelope = _read_envelope(body, position)
        if topic is not None and envelope.type != topic:
            raise UndecodableEvent(f"Event type {envelope.type} on topic {topic}.", envelope.id, envelope.type)
        if source is not None and envelope.source != source:
            reason = f"Published by {envelope.source}, but only {source} publishes {envelope.type}."
            raise UndecodableEvent(reason, envelope.id, envelope.type)
        return envelope

    def event(self, envelope: Envelope, body: bytes, position: int) -> InboundEvent:
        """Decode the event in the envelope of a message.

        Raises:
            UndecodableEvent: the event is not one of these classes, or invalid.
        """
        decoder = self._decoders.get(envelope.type)
        if decoder is None:
            raise UndecodableEvent(f"Unknown event type {envelope.type}.", envelope.id, envelope.type)
        try:
            event = decoder.decode(envelope.data)
            if has_nul(body):
                raise ValueError(NUL_REASON)
        except _DECODE_ERRORS as error:
            reason = f"Invalid data for the type: {explain(error, decoder.type)}"
            raise UndecodableEvent(reason, envelope.id, envelope.type) from error
        return InboundEvent(event, envelope, body, position)


def _read_envelope(body: bytes, position: int) -> Envelope:
    try:
        envelope = _cached_envelope(body) if len(body) <= _CACHED_SIZE else _decode_envelope(body)
    except _DECODE_ERRORS as error:
        raise UndecodableEvent(f"Invalid envelope: {explain(error, Envelope)}") from error
    if not 1 <= position <= MAX_POSITION:
        raise UndecodableEvent("No valid position in its publisher's event log.", envelope.id, envelope.type)
    return envelope

"""Parked events: the calls by which the kafka service lists and replays the events that the bus rejects.

Every service that publishes answers them; each has subclasses of its own.
"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Final, TypeVar, cast
from uuid import UUID

from msgspec import Meta, Raw, Struct

from nextbuy.contracts.checks import (
    decoded_envelope,
    require_ascending,
    require_distinct,
    require_equal,
    require_subset,
)
from nextbuy.contracts.message import Call, CallMeta, Client
from nextbuy.contracts.values import EventPosition, FailureText, LogPosition, Nothing, Timestamp, Topic

MAX_LISTED: Final = 1_000
"""Parked events per page of the list."""
MAX_NAMED: Final = 100
"""Parked events that a call reads or replays."""

EventIds = Annotated[list[UUID], Meta(max_length=MAX_NAMED)]
AnyCall = TypeVar("AnyCall", bound=Call[Any])


class ParkedEventRef(Struct, frozen=True):
    """A parked event: its position in the event log, its id, and when it was parked."""

    position: EventPosition
    event_id: UUID
    parked_at: Timestamp


class ParkedEventList(Struct, frozen=True):
    """Parked events in the order of the log."""

    events: Annotated[list[ParkedEventRef], Meta(max_length=MAX_LISTED)]


class ParkedEvent(Struct, frozen=True):
    """A parked event, its position in the event log, and the error from the bus."""

    position: EventPosition
    event_id: UUID
    topic: Topic
    reason: FailureText
    envelope: Annotated[
        Raw, Meta(description="The envelope, as JSON; its beginning, as a JSON string, if it is too large.")
    ]


class ParkedEvents(Struct, frozen=True):
    """Some of the events that were requested: those that are parked, up to the size of a reply."""

    events: Annotated[list[ParkedEvent], Meta(max_length=MAX_NAMED)]


class ListParkedEvents(Call[ParkedEventList]):
    """List up to 1,000 parked events after a position of the event log."""

    after: LogPosition = 0


class ReadParkedEvents(Call[ParkedEvents]):
    """Read parked events with their envelopes; those that do not fit the reply are left out."""

    event_ids: EventIds


class ReplayParkedEvents(Call[Nothing]):
    """Put parked events back into the outbox; others are ignored."""

    event_ids: EventIds


@cache
def _of(call: type[AnyCall], service: str, name: str) -> type[AnyCall]:
    verb, _, noun = name.partition("-parked-")
    made = CallMeta(
        f"{verb.title()}Parked{service.title()}{noun.title()}",
        (call,),
        {"__doc__": call.__doc__, "__module__": __name__},
        to=service,
        name=name,
        callers=("kafka",),
        idempotent=True,
    )
    return cast("type[AnyCall]", made)


def list_parked_events_of(service: str) -> type[ListParkedEvents]:
    """Return the call that lists the parked events of a service."""
    return _of(ListParkedEvents, service, "list-parked-events")


def read_parked_events_of(service: str) -> type[ReadParkedEvents]:
    """Return the call that reads parked events of a service."""
    return _of(ReadParkedEvents, service, "read-parked-events")


def replay_parked_events_of(service: str) -> type[ReplayParkedEvents]:
    """Return the call that replays parked events of a service."""
    return _of(ReplayParkedEvents, service, "replay-parked-events")


def _check_envelope(path: str, event: ParkedEvent, publisher: str) -> None:
    envelope = decoded_envelope(f"{path}.envelope", event.envelope)
    require_equal(f"{path}.envelope.id", envelope.id, event.event_id)
    require_equal(f"{path}.envelope.source", envelope.source, publisher)
    require_equal(f"{path}.topic", event.topic, envelope.type)


class ParkingClient(Client):
    """A client of every service that publishes events."""

    async def list_parked_events(self, publisher: str, after: int = 0) -> list[ParkedEventRef]:
        """Return a page of a service's parked events, in the order of its log."""

        def check(reply: ParkedEventList) -> None:
            require_ascending("events[{}].position", (event.position for event in reply.events), after)
            require_distinct("events[{}].event_id", (event.event_id for event in reply.events))

        return (await self._send(list_parked_events_of(publisher)(after=after), check)).events

    async def read_parked_events(self, publisher: str, event_ids: Sequence[UUID]) -> list[ParkedEvent]:
        """Return the events that are parked, among those with these ids, up to the size of a reply."""

        def check(reply: ParkedEvents) -> None:
            require_ascending("events[{}].position", (event.position for event in reply.events), 0)
            require_subset("events[{}].event_id", (event.event_id for event in reply.events), event_ids)
            for index, event in enumerate(reply.events):
                if not bytes(event.envelope).startswith(b'"'):
                    _check_envelope(f"events[{index}]", event, publisher)

        return (await self._send(read_parked_events_of(publisher)(event_ids=list(event_ids)), check)).events

    async def replay_parked_events(self, publisher: str, event_ids: Sequence[UUID]) -> None:
        """Have a service publish parked events again."""
        await self._send(replay_parked_events_of(publisher)(event_ids=list(event_ids)))

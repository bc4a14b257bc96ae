"""The comparison of event logs with inboxes: the calls by which the kafka service finds events that were not applied.

Every service that publishes answers `ListLoggedEvents` and `ReadLoggedEvents` from its event log, every service that
subscribes answers `MissingEvents` from its inbox; the kit does it for all of them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Final, cast
from uuid import UUID

from msgspec import Meta, Raw, Struct

from nextbuy.contracts.message import Call, CallMeta, Client
from nextbuy.contracts.values import Timestamp

MAX_LISTED: Final = 50_000
"""Events per list, over all its cursors: two megabytes."""
MAX_READ: Final = 500
"""Envelopes per read."""
MAX_COMPARED: Final = 5_000
"""Events per comparison with an inbox, over all its topics: well under a second of its database."""
_MAX_CURSORS: Final = 1_000


class LogCursor(Struct, frozen=True, omit_defaults=True):
    """The place in an event log at which a list of a topic begins.

    It is after the event `event_id` at `position`, or shortly before the time `since`, or the beginning of the log.
    """

    topic: str
    position: int = 0
    event_id: UUID | None = None
    since: Timestamp | None = None


class ListedEvents(Struct, frozen=True, omit_defaults=True):
    """The published events of a topic after a cursor, in order; `more` if the list ended at its limit."""

    positions: list[int]
    event_ids: list[UUID]
    more: bool = False


class LogListed(Struct, frozen=True, omit_defaults=True):
    """A list for each cursor, in order; `lost` are the events of cursors that are not in the log."""

    lists: list[ListedEvents]
    lost: list[UUID] = []


class ListLoggedEvents(Call[LogListed]):
    """List the positions and ids of events that were published at least a minute ago, up to `limit` per cursor.

    A list ends before the first event that waits in the outbox. `highest` is the highest position that a destination
    has stored: if the event of a cursor is not in the log, the log was restored, and its numbers continue above it.
    """

    cursors: Annotated[list[LogCursor], Meta(max_length=_MAX_CURSORS)]
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)]
    highest: int


class LoggedEnvelope(Struct, frozen=True):
    """An event of an event log as it was published, and its position."""

    position: int
    envelope: Annotated[Raw, Meta(description="The envelope as published, as JSON.")]


class LogRead(Struct, frozen=True):
    """Published events in order; an empty part is the last one. `last` is the last position of the selection."""

    events: list[LoggedEnvelope]
    last: int


class EventSelection(Struct, frozen=True, omit_defaults=True):
    """A selection of events: all given fields must match."""

    topics: list[str] | None = None
    key: str | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    event_ids: Annotated[list[UUID], Meta(max_length=MAX_READ)] | None = None


class ReadLoggedEvents(Call[LogRead]):
    """Read the selected events after a position that do not wait in the outbox."""

    selection: EventSelection
    after: int
    limit: Annotated[int, Meta(ge=1, le=MAX_READ)]


class SubscriptionPosition(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The event up to which a subscription has an inbox row for every event of a topic; None before the first one."""

    subscription: str
    topic: str
    position: int = 0
    event_id: UUID | None = None
    begins_at: Annotated[Timestamp, Meta(description="Earlier events are not applied.")] | None = None
    started_at: Annotated[Timestamp, Meta(description="When the service first started with the subscription.")]


class SubscriptionEvent(Struct, frozen=True, order=True):
    """An event for a subscription."""

    subscription: str
    event_id: UUID


class ComparedEvents(Struct, frozen=True, omit_defaults=True):
    """Events after a cursor, in order, that subscriptions at this cursor are to have applied or rejected."""

    cursor: LogCursor
    subscriptions: list[str]
    positions: list[int]
    event_ids: list[UUID]
    dead_lettered: Annotated[list[SubscriptionEvent], Meta(description="The events that have a dead letter.")] = []


class RejectedEvent(Struct, frozen=True):
    """An event that a subscription has rejected, and why."""

    event_id: UUID
    reason: str


class Gap(Struct, frozen=True, omit_defaults=True):
    """The events for which a subscription has no inbox row, and those rejected without a dead letter."""

    subscription: str
    missing: list[UUID] = []
    rejected: list[RejectedEvent] = []


class EventsCompared(Struct, frozen=True):
    """The positions of all subscriptions and topics after the comparison, and the gaps for each of its parts."""

    positions: list[SubscriptionPosition]
    gaps: list[list[Gap]]


class MissingEvents(Call[EventsCompared]):
    """Name the events that subscriptions have neither applied nor rejected, and move their positions up to the first.

    A position before the cursor of its part stays: the database was restored meanwhile.
    """

    parts: list[ComparedEvents]


def _call_of(base: type[Call[Any]], service: str, class_name: str, name: str) -> CallMeta:
    namespace = {"__doc__": base.__doc__, "__module__": __name__}
    return CallMeta(class_name, (base,), namespace, to=service, name=name, callers=("kafka",), idempotent=True)


@cache
def list_logged_events_of(service: str) -> type[ListLoggedEvents]:
    """Return the call that lists the event log of a service."""
    call = _call_of(ListLoggedEvents, service, f"ListLogged{service.title()}Events", "list-logged-events")
    return cast("type[ListLoggedEvents]", call)


@cache
def read_logged_events_of(service: str) -> type[ReadLoggedEvents]:
    """Return the call that reads envelopes from the event log of a service."""
    call = _call_of(ReadLoggedEvents, service, f"ReadLogged{service.title()}Events", "read-logged-events")
    return cast("type[ReadLoggedEvents]", call)


@cache
def missing_events_of(service: str) -> type[MissingEvents]:
    """Return the call that compares events with the inbox of a service."""
    call = _call_of(MissingEvents, service, f"Missing{service.title()}Events", "missing-events")
    return cast("type[MissingEvents]", call)


class ComparisonClient(Client):
    """A client of every service that publishes or subscribes to events."""

    async def list_logged_events(
        self, source: str, cursors: Sequence[LogCursor], *, limit: int, highest: int
    ) -> LogListed:
        """List the positions and ids of published events, up to `limit` after each cursor."""
        call = list_logged_events_of(source)(cursors=list(cursors), limit=limit, highest=highest)
        return await self._send(call)

    async def read_logged_events(self, source: str, selection: EventSelection, *, after: int = 0) -> LogRead:
        """Return the next selected events after a position, as they were published."""
        return await self._send(read_logged_events_of(source)(selection=selection, after=after, limit=MAX_READ))

    async def missing_events(self, destination: str, parts: Sequence[ComparedEvents]) -> EventsCompared:
        """Compare up to `MAX_COMPARED` events with the inbox of a destination."""
        return await self._send(missing_events_of(destination)(parts=list(parts)))

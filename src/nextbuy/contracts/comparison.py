"""The comparison of event logs with inboxes: the calls by which the kafka service finds events that were not applied.

Every service that publishes answers `ListLoggedEvents` and `ReadLoggedEvents` from its event log, every service that
subscribes answers `MissingEvents` from its inbox; the kit does it for all of them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Final, cast
from uuid import UUID

from msgspec import Meta, Raw, Struct

from nextbuy.contracts.checks import (
    decoded_envelope,
    require,
    require_ascending,
    require_distinct,
    require_equal,
    require_subset,
)
from nextbuy.contracts.message import Call, CallMeta, Client, Envelope
from nextbuy.contracts.values import (
    MAX_SUBSCRIPTIONS,
    EventPosition,
    FailureText,
    LogPosition,
    SubscriptionName,
    Timestamp,
    Topic,
    Topics,
)

MAX_LISTED: Final = 50_000
"""Events per list, over all its cursors: two megabytes."""
MAX_READ: Final = 500
"""Envelopes per read."""
MAX_COMPARED: Final = 5_000
"""Events per comparison with an inbox, over all its topics: well under a second of its database."""
_MAX_CURSORS: Final = 1_000
_MAX_NAMED: Final = MAX_COMPARED * MAX_SUBSCRIPTIONS
EventIds = Annotated[list[UUID], Meta(max_length=MAX_LISTED)]


class LogCursor(Struct, frozen=True, omit_defaults=True):
    """The place in an event log at which a list of a topic begins.

    It is after the event `event_id` at `position`, or shortly before the time `since`, or the beginning of the log.
    """

    topic: Topic
    position: LogPosition = 0
    event_id: UUID | None = None
    since: Timestamp | None = None


class ListedEvents(Struct, frozen=True, omit_defaults=True):
    """The published events of a topic after a cursor, in order; `more` if the list ended at its limit."""

    positions: Annotated[list[EventPosition], Meta(max_length=MAX_LISTED)]
    event_ids: EventIds
    more: bool = False


class LogListed(Struct, frozen=True, omit_defaults=True):
    """A list for each cursor, in order; `lost` are the events of cursors that are not in the log."""

    lists: Annotated[list[ListedEvents], Meta(max_length=_MAX_CURSORS)]
    lost: Annotated[list[UUID], Meta(max_length=_MAX_CURSORS)] = []


class ListLoggedEvents(Call[LogListed]):
    """List the positions and ids of events that were published at least a minute ago, up to `limit` per cursor.

    A list ends before the first event that waits in the outbox. `highest` is the highest position that a destination
    has stored: if the event of a cursor is not in the log, the log was restored, and its numbers continue above it.
    """

    cursors: Annotated[list[LogCursor], Meta(max_length=_MAX_CURSORS)]
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)]
    highest: LogPosition


class LoggedEnvelope(Struct, frozen=True):
    """An event of an event log as it was published, and its position."""

    position: EventPosition
    envelope: Annotated[Raw, Meta(description="The envelope as published, as JSON.")]


class LogRead(Struct, frozen=True):
    """Published events in order; an empty part is the last one. `last` is the last position of the selection."""

    events: Annotated[list[LoggedEnvelope], Meta(max_length=MAX_READ)]
    last: LogPosition


class EventSelection(Struct, frozen=True, omit_defaults=True):
    """A selection of events: all given fields must match."""

    topics: Topics | None = None
    key: Annotated[str, Meta(max_length=10_000)] | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    event_ids: Annotated[list[UUID], Meta(max_length=MAX_READ)] | None = None


class ReadLoggedEvents(Call[LogRead]):
    """Read the selected events after a position that do not wait in the outbox."""

    selection: EventSelection
    after: LogPosition
    limit: Annotated[int, Meta(ge=1, le=MAX_READ)]


class SubscriptionPosition(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The event up to which a subscription has an inbox row for every event of a topic; None before the first one."""

    subscription: SubscriptionName
    topic: Topic
    position: LogPosition = 0
    event_id: UUID | None = None
    begins_at: Annotated[Timestamp, Meta(description="Earlier events are not applied.")] | None = None
    started_at: Annotated[Timestamp, Meta(description="When the service first started with the subscription.")]


class SubscriptionEvent(Struct, frozen=True, order=True):
    """An event for a subscription."""

    subscription: SubscriptionName
    event_id: UUID


class ComparedEvents(Struct, frozen=True, omit_defaults=True):
    """Events after a cursor, in order, that subscriptions at this cursor are to have applied or rejected."""

    cursor: LogCursor
    subscriptions: Annotated[list[SubscriptionName], Meta(max_length=MAX_SUBSCRIPTIONS)]
    positions: Annotated[list[EventPosition], Meta(max_length=MAX_LISTED)]
    event_ids: EventIds
    dead_lettered: Annotated[
        list[SubscriptionEvent], Meta(max_length=_MAX_NAMED, description="The events that have a dead letter.")
    ] = []


class RejectedEvent(Struct, frozen=True):
    """An event that a subscription has rejected, and why."""

    event_id: UUID
    reason: FailureText


class Gap(Struct, frozen=True, omit_defaults=True):
    """The events for which a subscription has no inbox row, and those rejected without a dead letter."""

    subscription: SubscriptionName
    missing: EventIds = []
    rejected: Annotated[list[RejectedEvent], Meta(max_length=MAX_LISTED)] = []


class EventsCompared(Struct, frozen=True):
    """The positions of all subscriptions and topics after the comparison, and the gaps for each of its parts."""

    positions: Annotated[list[SubscriptionPosition], Meta(max_length=_MAX_CURSORS)]
    gaps: Annotated[list[Annotated[list[Gap], Meta(max_length=MAX_SUBSCRIPTIONS)]], Meta(max_length=_MAX_CURSORS)]


class MissingEvents(Call[EventsCompared]):
    """Name the events that subscriptions have neither applied nor rejected, and move their positions up to the first.

    A position before the cursor of its part stays: the database was restored meanwhile.
    """

    parts: Annotated[list[ComparedEvents], Meta(max_length=_MAX_CURSORS)]


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


def _check_list(path: str, listed: ListedEvents, after: int, limit: int) -> None:
    require(len(listed.positions) <= limit, f"{path}.positions", len(listed.positions))
    require_ascending(f"{path}.positions[{{}}]", listed.positions, after)
    require(len(listed.event_ids) == len(listed.positions), f"{path}.event_ids", len(listed.event_ids))
    require_distinct(f"{path}.event_ids[{{}}]", listed.event_ids)
    require_equal(f"{path}.more", listed.more, len(listed.positions) == limit)


def _check_selected(path: str, event: Envelope, source: str, selection: EventSelection) -> None:
    require_equal(f"{path}.source", event.source, source)
    if selection.topics is not None:
        require(event.type in selection.topics, f"{path}.type", event.type)
    if selection.key is not None:
        require_equal(f"{path}.key", event.key, selection.key)
    if selection.event_ids is not None:
        require(event.id in selection.event_ids, f"{path}.id", event.id)


def _check_gaps(path: str, gaps: Sequence[Gap], part: ComparedEvents) -> None:
    require_subset(f"{path}[{{}}].subscription", (gap.subscription for gap in gaps), part.subscriptions)
    dead_lettered = {(event.subscription, event.event_id) for event in part.dead_lettered}
    for index, gap in enumerate(gaps):
        open_ids = {event_id for event_id in part.event_ids if (gap.subscription, event_id) not in dead_lettered}
        require_subset(f"{path}[{index}].missing[{{}}]", gap.missing, open_ids)
        rejected = [event.event_id for event in gap.rejected]
        require_subset(f"{path}[{index}].rejected[{{}}].event_id", rejected, open_ids - set(gap.missing))
        require(bool(gap.missing or gap.rejected), f"{path}[{index}].missing", gap.missing)


class ComparisonClient(Client):
    """A client of every service that publishes or subscribes to events."""

    async def list_logged_events(
        self, source: str, cursors: Sequence[LogCursor], *, limit: int, highest: int
    ) -> LogListed:
        """List the positions and ids of published events, up to `limit` after each cursor."""
        call = list_logged_events_of(source)(cursors=list(cursors), limit=limit, highest=highest)

        def check(reply: LogListed) -> None:
            require(len(reply.lists) == len(cursors), "lists", len(reply.lists))
            require_subset("lost[{}]", reply.lost, {cursor.event_id for cursor in cursors} - {None})
            for index, (listed, cursor) in enumerate(zip(reply.lists, cursors, strict=True)):
                # The list of a lost cursor begins earlier, as the log was restored.
                _check_list(f"lists[{index}]", listed, 0 if cursor.event_id in reply.lost else cursor.position, limit)

        return await self._send(call, check)

    async def read_logged_events(self, source: str, selection: EventSelection, *, after: int = 0) -> LogRead:
        """Return the next selected events after a position, as they were published."""

        def check(reply: LogRead) -> None:
            require_ascending("events[{}].position", (event.position for event in reply.events), after)
            envelopes = [decoded_envelope(f"events[{n}].envelope", one.envelope) for n, one in enumerate(reply.events)]
            require_distinct("events[{}].envelope.id", (event.id for event in envelopes))
            for index, event in enumerate(envelopes):
                _check_selected(f"events[{index}].envelope", event, source, selection)

        return await self._send(read_logged_events_of(source)(selection=selection, after=after, limit=MAX_READ), check)

    async def missing_events(self, destination: str, parts: Sequence[ComparedEvents]) -> EventsCompared:
        """Compare up to `MAX_COMPARED` events with the inbox of a destination."""

        def check(reply: EventsCompared) -> None:
            require_distinct("positions[{}]", ((at.subscription, at.topic) for at in reply.positions))
            for index, at in enumerate(reply.positions):
                require((at.position > 0) == (at.event_id is not None), f"positions[{index}].event_id", at.event_id)
            require(len(reply.gaps) == len(parts), "gaps", len(reply.gaps))
            for index, (gaps, part) in enumerate(zip(reply.gaps, parts, strict=True)):
                _check_gaps(f"gaps[{index}]", gaps, part)

        return await self._send(missing_events_of(destination)(parts=list(parts)), check)

"""The comparison of listed events with the inbox of one destination, and the repair of its gaps.

A missing event is delivered from its event log; a lost dead letter is restored. Each is logged and stored as a finding.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from nextbuy.contracts.comparison import (
    MAX_COMPARED,
    MAX_READ,
    ComparedEvents,
    EventSelection,
    Gap,
    ListedEvents,
    LogCursor,
    LoggedEnvelope,
    SubscriptionEvent,
    SubscriptionPosition,
)
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import Timestamp
from nextbuy.kafka.comparison.lost_dead_letters import LostDeadLetter, find_dead_lettered, restore_dead_letters
from nextbuy.kafka.comparison.reporting import report
from nextbuy.kafka.comparison.store import Finding, mark_repaired
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.late_delivery import LateEvent
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.bus.interface import BusUnavailable, TopicEnd
from nextbuy.kit.events.event_ids import time_of
from nextbuy.kit.events.inbound import EventDecoder
from nextbuy.kit.events.inbox import InboxKey
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service_context import Destination
from nextbuy.kit.storage.database import transient

log: Final = logging.getLogger(__name__)

WAIT: Final = 30.0
"""Seconds after which a topic that the destination's group has not passed waits for a later round."""
WAIT_POLL: Final = 0.5
"""Seconds between two checks of the progress of a group."""
CALL_TIMEOUT: Final = 9.0
"""Seconds per call; its first attempt gets a third."""
LATE_TIMEOUT: Final = 90.0
"""Seconds for missing events to be delivered: longer than an event that fails is tried (`dispatcher.GIVE_UP_AFTER`)."""
_MAX_REPAIRS: Final = 3
"""Repairs of a list before it is left for a later round."""


@dataclass(slots=True, eq=False)
class Comparison:
    """Listed events of one topic for the subscriptions at one cursor, and the end of the topic noted afterwards."""

    source: str
    cursor: LogCursor
    subscriptions: list[str]
    listed: ListedEvents
    end: TopicEnd
    dead_lettered: set[InboxKey] = field(default_factory=set)


class DestinationComparison:
    """The comparisons with one destination; a topic that lags keeps its list and its end for a later round."""

    def __init__(self, deps: Deps, destination: Destination) -> None:
        self.name = destination.name
        self.busy = False
        self._deps = deps
        self._lagging: list[Comparison] = []
        self._started_at: dict[str, Timestamp] = {}

    @property
    def open_topics(self) -> set[str]:
        """The topics of comparisons that earlier rounds have left."""
        return {comparison.cursor.topic for comparison in self._lagging}

    def begin_round(self, positions: Sequence[SubscriptionPosition]) -> dict[LogCursor, list[str]]:
        """Return the subscriptions at each cursor to list; drop lagging comparisons whose subscriptions have moved."""
        self._started_at = {at.subscription: at.started_at for at in positions}
        cursors: dict[LogCursor, list[str]] = {}
        for at in positions:
            since = at.begins_at if at.event_id is None else None
            cursor = LogCursor(at.topic, at.position, at.event_id, since)
            cursors.setdefault(cursor, []).append(at.subscription)
        self._lagging = [kept for kept in self._lagging if cursors.get(kept.cursor) == kept.subscriptions]
        for kept in self._lagging:
            del cursors[kept.cursor]
        return cursors

    def drop_recreated_topics(self, ends: Mapping[str, TopicEnd]) -> None:
        """Drop the comparisons of topics that end before the noted end, because they were deleted and created again."""
        self._lagging = [
            kept
            for kept in self._lagging
            if all(ends[kept.cursor.topic].get(partition, 0) >= offset for partition, offset in kept.end.items())
        ]

    async def run(self, new: Sequence[Comparison]) -> bool:
        """Run the lagging comparisons and the new ones; return whether more events are to be listed at once."""
        self.busy = True
        try:
            with telemetry.use_span(telemetry.start_span()):
                return await self._run([*self._lagging, *new])
        except (AppError, BusUnavailable) as error:
            log.info("comparison with %s left for a later round: %s", self.name, error)
        except Exception as error:
            if transient(error) is None:
                raise
            log.warning("comparison with %s left for a later round: %r", self.name, error)
        finally:
            self.busy = False
        return False

    async def _run(self, comparisons: list[Comparison]) -> bool:
        more = False
        until = time.monotonic() + WAIT
        self._lagging = comparisons
        while lagging := self._lagging:
            passed = await self._deps.bus.has_passed(self.name, [(each.cursor.topic, each.end) for each in lagging])
            ready = [each for each, is_passed in zip(lagging, passed, strict=True) if is_passed]
            self._lagging = [each for each, is_passed in zip(lagging, passed, strict=True) if not is_passed]
            for part in _parts(ready):
                more |= await self._compare(part)
            if self._lagging and time.monotonic() > until:
                break
            if self._lagging:
                await asyncio.sleep(WAIT_POLL)
        return more

    async def _compare(self, comparisons: list[Comparison]) -> bool:
        """Compare and repair until no gap is left; return whether more events are to be listed at once."""
        more = False
        for _ in range(_MAX_REPAIRS + 1):
            with_gaps = list(zip(comparisons, await self._find_gaps(comparisons), strict=True))
            complete = [comparison for comparison, gaps in with_gaps if not gaps]
            if complete:
                topics = [(each.cursor.topic, name) for each in complete for name in each.subscriptions]
                await mark_repaired(self._deps.database, self.name, topics)
                more |= any(comparison.listed.more for comparison in complete)
            comparisons = [
                comparison for comparison, gaps in with_gaps if gaps and await self._repair(comparison, gaps)
            ]
            if not comparisons:
                break
        return more

    async def _find_gaps(self, comparisons: Sequence[Comparison]) -> list[list[Gap]]:
        """Return the gaps of each comparison, which the destination finds in its inbox."""
        set_deadline(CALL_TIMEOUT)
        parts = [
            ComparedEvents(
                comparison.cursor,
                comparison.subscriptions,
                comparison.listed.positions,
                comparison.listed.event_ids,
                [SubscriptionEvent(*key) for key in sorted(comparison.dead_lettered)],
            )
            for comparison in comparisons
        ]
        return (await self._deps.comparison.missing_events(self.name, parts)).gaps

    async def _repair(self, comparison: Comparison, gaps: Sequence[Gap]) -> bool:
        """Deliver missing events and restore lost dead letters; return false if an event was not delivered in time."""
        topic = comparison.cursor.topic
        missing = {(gap.subscription, event_id) for gap in gaps for event_id in gap.missing}
        rejected = {(gap.subscription, event.event_id): event.reason for gap in gaps for event in gap.rejected}
        dead_lettered = await find_dead_lettered(self._deps.database, missing | rejected.keys())
        comparison.dead_lettered |= dead_lettered
        missing -= dead_lettered
        lost = {key: reason for key, reason in rejected.items() if key not in dead_lettered}
        await self._report(comparison, missing, lost)
        needed = {event_id for _, event_id in missing | lost.keys()}
        ordered = [event_id for event_id in comparison.listed.event_ids if event_id in needed]
        for index in range(0, len(ordered), MAX_READ):
            events = await self._read(comparison.source, ordered[index : index + MAX_READ])
            await restore_dead_letters(
                self._deps.database,
                [
                    LostDeadLetter(self.name, name, topic, event_id, reason, bytes(event.envelope), event.position)
                    for event_id, event in events.items()
                    for name in comparison.subscriptions
                    if (reason := lost.get((name, event_id))) is not None
                ],
            )
            late = [
                LateEvent(event_id, event.position, bytes(event.envelope), names)
                for event_id, event in events.items()
                if (names := [name for name in comparison.subscriptions if (name, event_id) in missing])
            ]
            if late and not await self._deps.late.deliver(self.name, topic, late, LATE_TIMEOUT):
                return False
        comparison.dead_lettered |= lost.keys()
        return True

    async def _read(self, source: str, event_ids: list[UUID]) -> dict[UUID, LoggedEnvelope]:
        """Return events from an event log by id, in the order of the log."""
        events: dict[UUID, LoggedEnvelope] = {}
        after = 0
        while len(events) < len(event_ids):
            set_deadline(CALL_TIMEOUT)
            selection = EventSelection(event_ids=event_ids)
            part = (await self._deps.comparison.read_logged_events(source, selection, after=after)).events
            if not part:
                break
            after = part[-1].position
            events |= {EventDecoder.envelope(bytes(event.envelope), event.position).id: event for event in part}
        return events

    async def _report(self, comparison: Comparison, missing: set[InboxKey], lost: Mapping[InboxKey, str]) -> None:
        """Log and store findings; a missing event from before the start of its subscription is not one."""
        earlier = {key for key in missing if time_of(key[1]) < self._started_at[key[0]]}
        topic = comparison.cursor.topic
        if earlier:
            log.info(
                "subscription catches up with the event log",
                extra={"destination": self.name, "topic": topic, "events": len(earlier)},
            )
        findings = []
        for kind, keys in (("missing-events", missing - earlier), ("lost-dead-letters", set(lost))):
            if keys:
                ids = {event_id for _, event_id in keys}
                names = sorted({name for name, _ in keys})
                findings.append(Finding(kind, self.name, topic, names, len(ids), min(ids)))
        await report(self._deps.database, findings)


def _parts(comparisons: Sequence[Comparison]) -> Iterator[list[Comparison]]:
    """Yield comparisons in groups of up to `MAX_COMPARED` events, and shorten the list of one that has more."""
    group: list[Comparison] = []
    size = 0
    for comparison in comparisons:
        positions, event_ids = comparison.listed.positions, comparison.listed.event_ids
        if len(positions) > MAX_COMPARED:
            comparison.listed = ListedEvents(positions[:MAX_COMPARED], event_ids[:MAX_COMPARED], more=True)
        if group and size + len(comparison.listed.positions) > MAX_COMPARED:
            yield group
            group, size = [], 0
        group.append(comparison)
        size += len(comparison.listed.positions)
    if group:
        yield group

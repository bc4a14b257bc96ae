"""The comparison of listed events with the inbox of one destination, and the repair of its gaps."""

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
from nextbuy.contracts.errors import AppError, BadGateway
from nextbuy.contracts.values import Timestamp
from nextbuy.kafka.comparison.lost_letters import LostLetter, restore_letters, standing_letters
from nextbuy.kafka.comparison.reporting import report
from nextbuy.kafka.comparison.store import Finding, mark_repaired
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.late_delivery import LateEvent
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.bus.interface import BusUnavailable, TopicEnd
from nextbuy.kit.events.event_ids import time_of
from nextbuy.kit.events.inbound import EventDecoder
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service_context import Destination
from nextbuy.kit.storage.database import transient

log: Final = logging.getLogger(__name__)

WAIT: Final = 30.0
"""Seconds until a topic that the destination's group has not passed is left for a later round."""
WAIT_POLL: Final = 0.5
"""Seconds between two checks of the progress of a group."""
CALL_TIMEOUT: Final = 3.0
"""Seconds per call."""
LATE_TIMEOUT: Final = 90.0
"""Seconds for missing events to be delivered: longer than an event that fails is tried (`dispatcher.GIVE_UP_AFTER`)."""
_MAX_REPAIRS: Final = 3
"""Repairs of a list before it is left for a later round."""

Key = tuple[str, UUID]
"""A subscription and an event."""


@dataclass(slots=True, eq=False)
class Comparison:
    """Listed events of one topic for the subscriptions at one cursor, and the end of the topic that was noted then."""

    source: str
    cursor: LogCursor
    subscriptions: list[str]
    listed: ListedEvents
    end: TopicEnd
    dead_lettered: set[Key] = field(default_factory=set)


class DestinationComparison:
    """The comparisons with one destination. A topic that lags keeps its list and the end that its group must pass."""

    def __init__(self, deps: Deps, destination: Destination) -> None:
        self.name = destination.name
        self.busy = False
        self._deps = deps
        self._left: list[Comparison] = []
        self._started_at: dict[str, Timestamp] = {}

    @property
    def open_topics(self) -> set[str]:
        """The topics of comparisons that earlier rounds have left."""
        return {one.cursor.topic for one in self._left}

    def begin(self, positions: Sequence[SubscriptionPosition]) -> dict[LogCursor, list[str]]:
        """Return the subscriptions at each cursor that is to be listed, and forget what was left at other cursors."""
        self._started_at = {one.subscription: one.started_at for one in positions}
        cursors: dict[LogCursor, list[str]] = {}
        for one in positions:
            since = one.begins_at if one.event_id is None else None
            cursor = LogCursor(one.topic, one.position, one.event_id, since)
            cursors.setdefault(cursor, []).append(one.subscription)
        self._left = [one for one in self._left if cursors.get(one.cursor) == one.subscriptions]
        for left in self._left:
            del cursors[left.cursor]
        return cursors

    def drop_restarted(self, ends: Mapping[str, TopicEnd]) -> None:
        """Forget the comparisons that wait for an end which a topic that was created again does not have."""
        self._left = [
            one
            for one in self._left
            if all(ends[one.cursor.topic].get(partition, 0) >= offset for partition, offset in one.end.items())
        ]

    async def run(self, new: Sequence[Comparison]) -> bool:
        """Compare what was left and what is new; return whether more events are to be listed at once."""
        self.busy = True
        try:
            with telemetry.use_span(telemetry.start_span()):
                return await self._run([*self._left, *new])
        except (AppError, BusUnavailable) as error:
            log.info("comparison with %s left for a later round: %s", self.name, error)
        except Exception as error:
            if transient(error) is None:
                raise
            log.warning("comparison with %s left for a later round: %r", self.name, error)
        finally:
            self.busy = False
        return False

    async def _run(self, waiting: list[Comparison]) -> bool:
        more = False
        until = time.monotonic() + WAIT
        self._left = waiting
        while self._left:
            passed = await self._deps.bus.has_passed(self.name, [(one.cursor.topic, one.end) for one in self._left])
            ready = [one for one, is_passed in zip(self._left, passed, strict=True) if is_passed]
            self._left = [one for one, is_passed in zip(self._left, passed, strict=True) if not is_passed]
            for part in _parts(ready):
                more |= await self._compare(part)
            if self._left and time.monotonic() > until:
                break
            if self._left:
                await asyncio.sleep(WAIT_POLL)
        return more

    async def _compare(self, comparisons: list[Comparison]) -> bool:
        """Compare and repair until no gap is left; return whether more events are to be listed at once."""
        more = False
        for _ in range(_MAX_REPAIRS + 1):
            gaps = await self._ask(comparisons)
            complete = [one for one, of_one in zip(comparisons, gaps, strict=True) if not of_one]
            if complete:
                topics = [(one.cursor.topic, name) for one in complete for name in one.subscriptions]
                await mark_repaired(self._deps.database, self.name, topics)
                more |= any(one.listed.more for one in complete)
            open_comparisons = [
                one for one, of_one in zip(comparisons, gaps, strict=True) if of_one and await self._repair(one, of_one)
            ]
            comparisons = open_comparisons
            if not comparisons:
                break
        return more

    async def _ask(self, comparisons: Sequence[Comparison]) -> list[list[Gap]]:
        set_deadline(CALL_TIMEOUT)
        parts = [
            ComparedEvents(
                one.cursor,
                one.subscriptions,
                one.listed.positions,
                one.listed.event_ids,
                [SubscriptionEvent(*key) for key in sorted(one.dead_lettered)],
            )
            for one in comparisons
        ]
        gaps = (await self._deps.comparison.missing_events(self.name, parts)).gaps
        if len(gaps) != len(parts):
            raise BadGateway(f"The {self.name} service answered for other events.")
        return gaps

    async def _repair(self, comparison: Comparison, gaps: Sequence[Gap]) -> bool:
        """Deliver the events of a gap and restore its dead letters; return false if the events are not delivered."""
        missing = {(gap.subscription, event_id) for gap in gaps for event_id in gap.missing}
        rejected = {(gap.subscription, one.event_id): one.reason for gap in gaps for one in gap.rejected}
        known = await standing_letters(self._deps.database, missing | rejected.keys())
        comparison.dead_lettered |= known
        missing -= known
        lost = {key: reason for key, reason in rejected.items() if key not in known}
        await self._report(comparison, missing, lost)
        wanted = {event_id for _, event_id in missing | lost.keys()}
        ordered = [event_id for event_id in comparison.listed.event_ids if event_id in wanted]
        for index in range(0, len(ordered), MAX_READ):
            envelopes = await self._read(comparison.source, ordered[index : index + MAX_READ])
            await restore_letters(
                self._deps.database,
                [
                    LostLetter(
                        self.name, name, comparison.cursor.topic, event_id, reason, bytes(one.envelope), one.position
                    )
                    for event_id, one in envelopes.items()
                    for name in comparison.subscriptions
                    if (reason := lost.get((name, event_id))) is not None
                ],
            )
            late = [
                LateEvent(event_id, one.position, bytes(one.envelope), names)
                for event_id, one in envelopes.items()
                if (names := [name for name in comparison.subscriptions if (name, event_id) in missing])
            ]
            if late and not await self._deps.late.deliver(self.name, comparison.cursor.topic, late, LATE_TIMEOUT):
                return False
        comparison.dead_lettered |= lost.keys()
        return True

    async def _read(self, source: str, event_ids: list[UUID]) -> dict[UUID, LoggedEnvelope]:
        """Return envelopes in the order of the log."""
        found: dict[UUID, LoggedEnvelope] = {}
        after = 0
        while len(found) < len(event_ids):
            set_deadline(CALL_TIMEOUT)
            selection = EventSelection(event_ids=event_ids)
            part = (await self._deps.comparison.read_logged_events(source, selection, after=after)).events
            if not part:
                break
            after = part[-1].position
            found |= {EventDecoder.envelope(bytes(one.envelope), one.position).id: one for one in part}
        return found

    async def _report(self, comparison: Comparison, missing: set[Key], lost: Mapping[Key, str]) -> None:
        """Log and store what is missing; events from before the start of a subscription are not lost."""
        early = {key for key in missing if time_of(key[1]) < self._started_at[key[0]]}
        topic = comparison.cursor.topic
        if early:
            log.info(
                "subscription catches up with the event log",
                extra={"destination": self.name, "topic": topic, "events": len(early)},
            )
        findings = []
        for kind, keys in (("missing-events", missing - early), ("lost-dead-letters", set(lost))):
            if keys:
                ids = {event_id for _, event_id in keys}
                names = sorted({name for name, _ in keys})
                findings.append(Finding(kind, self.name, topic, names, len(ids), min(ids)))
        await report(self._deps.database, findings)


def _parts(comparisons: Sequence[Comparison]) -> Iterator[list[Comparison]]:
    """Yield comparisons in groups of up to `MAX_COMPARED` events; one with more events is shortened."""
    group: list[Comparison] = []
    size = 0
    for one in comparisons:
        listed = one.listed
        if len(listed.positions) > MAX_COMPARED:
            one.listed = ListedEvents(listed.positions[:MAX_COMPARED], listed.event_ids[:MAX_COMPARED], more=True)
        if group and size + len(one.listed.positions) > MAX_COMPARED:
            yield group
            group, size = [], 0
        group.append(one)
        size += len(one.listed.positions)
    if group:
        yield group

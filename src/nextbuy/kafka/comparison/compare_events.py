"""Task: compare every event log with the inboxes of all destinations once a minute, and deliver what is missing.

A round asks each destination for its positions, then each event log once for the events after them, and then the bus
for the end of each topic. Whatever the bus still delivers lies before that end. Once a destination's group has passed
it, an event without an inbox row is lost: it is delivered from its event log and reported. A destination that is
unavailable, or a topic that lags, is left for a later round and delays no other.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from nextbuy.contracts.comparison import MAX_LISTED, ListedEvents, LogCursor, SubscriptionPosition
from nextbuy.contracts.errors import AppError, BadGateway
from nextbuy.kafka.comparison import store
from nextbuy.kafka.comparison.destination_comparison import Comparison, DestinationComparison
from nextbuy.kafka.comparison.reporting import report
from nextbuy.kafka.comparison.store import Finding
from nextbuy.kafka.deps import Deps
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service_context import source_by_topic
from nextbuy.kit.storage.database import transient

log: Final = logging.getLogger(__name__)

INTERVAL: Final = 60.0
"""Seconds between two rounds, unless a destination is behind."""
POLL_INTERVAL: Final = 5.0
"""Seconds between attempts to take the lease, which another copy of this service may hold."""
ROUND_TIMEOUT: Final = 20.0
"""Seconds that a round waits for its destinations before it leaves them to themselves."""
CALL_TIMEOUT: Final = 3.0
"""Seconds per call."""

Cursors = Mapping[LogCursor, list[str]]
"""The subscriptions at each cursor."""


async def compare_events(deps: Deps) -> None:
    """Compare until cancelled, in one copy of this service at a time."""
    rounds = Rounds(deps)
    async with asyncio.TaskGroup() as tasks:
        while True:
            more = False
            try:
                until = await store.claim(deps.database)
                if until is not None:
                    with telemetry.use_span(telemetry.start_span()):
                        more = await rounds.run(tasks)
                    await store.reschedule(deps.database, until, 0.0 if more else INTERVAL)
            except Exception as error:
                if transient(error) is None:
                    raise
                log.warning("comparison postponed: %s: %s", type(error).__name__, error)
            if not more:
                await asyncio.sleep(POLL_INTERVAL)


class Rounds:
    """The rounds of comparisons; a destination that takes long is left out of the next ones."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._destinations = [DestinationComparison(deps, one) for one in deps.destinations]
        self._source_of = source_by_topic(deps.sources)

    async def run(self, tasks: asyncio.TaskGroup) -> bool:
        """Start the comparisons of one round in `tasks`; return whether a destination has finished and is behind."""
        idle = [one for one in self._destinations if not one.busy]
        positions = await asyncio.gather(*(self._positions(one) for one in idle))
        cursors: dict[DestinationComparison, Cursors] = {}
        for one, found in zip(idle, positions, strict=True):
            if found is not None:
                cursors[one] = one.begin(found)
        lists = await self._list(cursors.values(), [each for found in positions for each in found or ()])
        topics = {cursor.topic for cursor in lists} | {topic for one in cursors for topic in one.open_topics}
        try:
            ends = await self._deps.bus.ends(topics)
        except BusUnavailable as error:
            log.warning("comparison postponed: %s", error)
            return False
        running: list[asyncio.Task[bool]] = []
        for one, of_one in cursors.items():
            new = [
                Comparison(self._source_of[cursor.topic], cursor, names, lists[cursor], ends[cursor.topic])
                for cursor, names in of_one.items()
                if cursor in lists and lists[cursor].positions
            ]
            one.drop_restarted(ends)
            running.append(tasks.create_task(one.run(new)))
        if not running:
            return False
        done, _ = await asyncio.wait(running, timeout=ROUND_TIMEOUT)
        return any(task.result() for task in done)

    async def _positions(self, one: DestinationComparison) -> list[SubscriptionPosition] | None:
        """Return the positions of a destination, or None if it is unavailable."""
        set_deadline(CALL_TIMEOUT)
        try:
            return (await self._deps.comparison.missing_events(one.name, [])).positions
        except AppError as error:
            log.info("comparison with %s left for a later round: %s", one.name, error)
            return None

    async def _list(
        self, cursors: Collection[Cursors], positions: Sequence[SubscriptionPosition]
    ) -> dict[LogCursor, ListedEvents]:
        """List what each event log holds after the cursors of all destinations."""
        by_source: dict[str, dict[LogCursor, None]] = defaultdict(dict)
        for cursor in (cursor for of_one in cursors for cursor in of_one):
            if cursor.topic in self._source_of:
                by_source[self._source_of[cursor.topic]].setdefault(cursor)
        highest = {
            source: max((one.position for one in positions if self._source_of.get(one.topic) == source), default=0)
            for source in by_source
        }
        lists = await asyncio.gather(
            *(self._list_source(source, list(of_source), highest[source]) for source, of_source in by_source.items())
        )
        return {cursor: listed for of_source in lists for cursor, listed in of_source.items()}

    async def _list_source(self, source: str, cursors: list[LogCursor], highest: int) -> dict[LogCursor, ListedEvents]:
        """List one event log, an equal number of events after each cursor; nothing if it is unavailable."""
        limit = max(1, MAX_LISTED // len(cursors))
        set_deadline(CALL_TIMEOUT)
        try:
            listed = await self._deps.comparison.list_logged_events(source, cursors, limit=limit, highest=highest)
            if len(listed.lists) != len(cursors) or not all(map(_is_complete, listed.lists)):
                raise BadGateway(f"The {source} service listed other events.")
        except AppError as error:
            log.info("comparison with the event log of %s left for a later round: %s", source, error)
            return {}
        if listed.lost:
            await report(self._deps.database, [Finding("restored-log", source, first_event_id=max(listed.lost))])
        return dict(zip(cursors, listed.lists, strict=True))


def _is_complete(listed: ListedEvents) -> bool:
    """Return whether each position has an event."""
    return len(listed.positions) == len(listed.event_ids)

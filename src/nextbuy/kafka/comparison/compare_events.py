"""Task: compare every event log with the inboxes of all destinations once a minute, and deliver missing events.

A round asks each destination for its positions, then each event log once for the events after them, and then the bus
for the end of each topic. Every message that the bus still delivers lies before that end. Once a destination's group
has passed it, an event without an inbox row is lost: it is delivered from its event log and reported. A destination
that is unavailable, or a topic that lags, waits for a later round and delays no other.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from nextbuy.contracts.comparison import MAX_LISTED, ListedEvents, LogCursor, SubscriptionPosition
from nextbuy.contracts.errors import AppError
from nextbuy.kafka.comparison import store
from nextbuy.kafka.comparison.destination_comparison import Comparison, DestinationComparison
from nextbuy.kafka.comparison.reporting import report
from nextbuy.kafka.comparison.store import Finding
from nextbuy.kafka.deps import Deps
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service_context import publisher_by_topic
from nextbuy.kit.storage.database import transient

log: Final = logging.getLogger(__name__)

INTERVAL: Final = 60.0
"""Seconds between two rounds, unless a destination is behind."""
POLL_INTERVAL: Final = 5.0
"""Seconds between attempts to take the lease, which another copy of this service may hold."""
ROUND_TIMEOUT: Final = 20.0
"""Seconds that a round waits for its destinations; the slower ones finish while later rounds run without them."""
CALL_TIMEOUT: Final = 9.0
"""Seconds per call; its first attempt gets a third."""

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
                log.warning("comparison failed; another round follows: %s: %s", type(error).__name__, error)
            if not more:
                await asyncio.sleep(POLL_INTERVAL)


class Rounds:
    """The rounds of the comparison; one that starts while a destination is still being compared leaves it out."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._destinations = [DestinationComparison(deps, destination) for destination in deps.destinations]
        self._publisher_of = publisher_by_topic(deps.publishers)

    async def run(self, tasks: asyncio.TaskGroup) -> bool:
        """Start the comparisons of one round in `tasks`; return whether a destination has finished and is behind."""
        idle = [destination for destination in self._destinations if not destination.busy]
        replies = await asyncio.gather(*(self._positions(destination) for destination in idle))
        cursors: dict[DestinationComparison, Cursors] = {}
        for destination, positions in zip(idle, replies, strict=True):
            if positions is not None:
                cursors[destination] = destination.begin_round(positions)
        lists = await self._list(cursors.values(), [position for reply in replies for position in reply or ()])
        topics = {cursor.topic for cursor in lists} | {topic for compared in cursors for topic in compared.open_topics}
        try:
            ends = await self._deps.bus.ends(topics)
        except BusUnavailable as error:
            log.warning("bus unavailable; comparison left for a later round: %s", error)
            return False
        running: list[asyncio.Task[bool]] = []
        for destination, subscriptions_at in cursors.items():
            new = [
                Comparison(self._publisher_of[cursor.topic], cursor, names, lists[cursor], ends[cursor.topic])
                for cursor, names in subscriptions_at.items()
                if cursor in lists and lists[cursor].positions
            ]
            destination.drop_recreated_topics(ends)
            running.append(tasks.create_task(destination.run(new)))
        if not running:
            return False
        done, _ = await asyncio.wait(running, timeout=ROUND_TIMEOUT)
        return any(task.result() for task in done)

    async def _positions(self, destination: DestinationComparison) -> list[SubscriptionPosition] | None:
        """Return the positions of a destination, or None if it is unavailable."""
        set_deadline(CALL_TIMEOUT)
        try:
            return (await self._deps.comparison.missing_events(destination.name, [])).positions
        except AppError as error:
            log.info("comparison with %s left for a later round: %s", destination.name, error)
            return None

    async def _list(
        self, cursors: Collection[Cursors], positions: Sequence[SubscriptionPosition]
    ) -> dict[LogCursor, ListedEvents]:
        """List the events after the cursors of all destinations, with one call per event log."""
        by_publisher: dict[str, dict[LogCursor, None]] = defaultdict(dict)
        for cursor in (cursor for subscriptions_at in cursors for cursor in subscriptions_at):
            if cursor.topic in self._publisher_of:
                by_publisher[self._publisher_of[cursor.topic]].setdefault(cursor)
        highest = {
            publisher: max(
                (at.position for at in positions if self._publisher_of.get(at.topic) == publisher), default=0
            )
            for publisher in by_publisher
        }
        lists = await asyncio.gather(
            *(
                self._list_log(publisher, list(its_cursors), highest[publisher])
                for publisher, its_cursors in by_publisher.items()
            )
        )
        return {cursor: listed for by_cursor in lists for cursor, listed in by_cursor.items()}

    async def _list_log(self, publisher: str, cursors: list[LogCursor], highest: int) -> dict[LogCursor, ListedEvents]:
        """List up to the same number of events after each cursor; return nothing if the publisher is unavailable."""
        limit = max(1, MAX_LISTED // len(cursors))
        set_deadline(CALL_TIMEOUT)
        try:
            listed = await self._deps.comparison.list_logged_events(publisher, cursors, limit=limit, highest=highest)
        except AppError as error:
            log.info("comparison with the event log of %s left for a later round: %s", publisher, error)
            return {}
        if listed.lost:
            await report(self._deps.database, [Finding("restored-log", publisher, first_event_id=max(listed.lost))])
        return dict(zip(cursors, listed.lists, strict=True))

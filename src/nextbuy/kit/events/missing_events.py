"""The call by which a destination names the events that its subscriptions have neither applied nor rejected.

Up to its position, a subscription has an inbox row for every event of a topic. Positions are stored beside the inbox,
so that both are restored together; a position moves in the transaction that has found the rows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.comparison import (
    ComparedEvents,
    EventsCompared,
    Gap,
    LogCursor,
    MissingEvents,
    RejectedEvent,
    SubscriptionPosition,
)
from nextbuy.kit.events.event_ids import time_of
from nextbuy.kit.service import Service, Subscription
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction

_POSITIONS: Final = """
    SELECT s.name, nullif(s.begins_at, '-infinity') AS begins_at, s.started_at, p.topic, p.position, p.event_id
    FROM subscriptions AS s LEFT JOIN compared_positions AS p ON p.subscription = s.name WHERE s.name = ANY($1::text[])
"""
# LIMIT keeps the planner from reading the whole inbox, for any number of events.
_GAPS: Final = """
    SELECT names.subscription, listed.n, found.rejection
    FROM unnest($1::text[], $2::text[]) AS names (subscription, inbox)
    CROSS JOIN unnest($3::uuid[]) WITH ORDINALITY AS listed (event_id, n)
    LEFT JOIN LATERAL (
        SELECT true AS recorded, rejection FROM inbox
        WHERE inbox.subscription = names.inbox AND inbox.event_id = listed.event_id LIMIT 1
    ) AS found ON true
    WHERE found.recorded IS NULL OR found.rejection IS NOT NULL
    ORDER BY listed.n
"""
# Everything after the cursor was compared in this transaction, and everything up to a position before: a position may
# rise if it is not before the cursor. It falls only from the cursor itself, whose event is not in a restored log.
_BEGIN: Final = """
    INSERT INTO compared_positions AS p (subscription, topic, position, event_id)
    SELECT subscription, $1, position, event_id
    FROM unnest($2::text[], $3::bigint[], $4::uuid[]) AS reached (subscription, position, event_id)
    ON CONFLICT (subscription, topic) DO UPDATE SET position = excluded.position, event_id = excluded.event_id
    WHERE p.position < excluded.position
"""
_MOVE: Final = """
    UPDATE compared_positions AS p SET position = reached.position, event_id = reached.event_id
    FROM unnest($2::text[], $3::bigint[], $4::uuid[]) AS reached (subscription, position, event_id)
    WHERE p.subscription = reached.subscription AND topic = $1
          AND (p.position >= $5 AND p.position < reached.position OR p.position = $5 AND p.event_id = $6)
"""


class Progress(Struct, frozen=True):
    """The start of a subscription, and by topic the event up to which it was compared."""

    begins_at: datetime | None
    started_at: datetime
    reached: dict[str, tuple[int, UUID]]


async def read_progress(db: Executor, names: Sequence[str]) -> dict[str, Progress]:
    """Return the progress of subscriptions, by name."""
    found: dict[str, Progress] = {}
    for row in await db.fetch(_POSITIONS, list(names)):
        progress = found.setdefault(row["name"], Progress(row["begins_at"], row["started_at"], {}))
        if row["topic"] is not None:
            progress.reached[row["topic"]] = (row["position"], row["event_id"])
    return found


class MissingEventFinder:
    """Compares events with the inbox of one service."""

    def __init__(self, service: Service, database: Database) -> None:
        self._database = database
        self._subscriptions = {subscription.name: subscription for subscription in service.subscriptions}

    async def find(self, _deps: object, call: MissingEvents) -> EventsCompared:
        """Name the events that are neither applied nor rejected, and move positions up to the first of them."""
        async with self._database.transaction() as tx:
            progress = await read_progress(tx, list(self._subscriptions))
            gaps = [await self._compare(tx, part, progress) for part in call.parts]
            if any(part.positions for part in call.parts):
                progress = await read_progress(tx, list(self._subscriptions))
        return EventsCompared(list(self._positions(progress)), gaps)

    def _positions(self, progress: Mapping[str, Progress]) -> Sequence[SubscriptionPosition]:
        return [
            SubscriptionPosition(
                subscription=name,
                topic=topic,
                position=position,
                event_id=event_id,
                begins_at=progress[name].begins_at,
                started_at=progress[name].started_at,
            )
            for name, subscription in self._subscriptions.items()
            if name in progress
            for topic in (event.topic for event in subscription.events)
            for position, event_id in (progress[name].reached.get(topic, (0, None)),)
        ]

    async def _compare(self, tx: Transaction, part: ComparedEvents, progress: Mapping[str, Progress]) -> list[Gap]:
        # An older copy of this service does not know every subscription, and does not move its position.
        names = [name for name in part.subscriptions if name in self._subscriptions and name in progress]
        inboxes = [await _current_inbox(tx, self._subscriptions[name]) for name in names]
        by_name: dict[str, list[Row]] = defaultdict(list)
        for row in await tx.fetch(_GAPS, names, inboxes, part.event_ids):
            by_name[row["subscription"]].append(row)
        gaps, reached = [], []
        for name in names:
            gap, complete = _gap(name, part, by_name[name], progress[name].begins_at)
            gaps += [gap] if gap.missing or gap.rejected else []
            if complete:
                reached.append((name, part.positions[complete - 1], part.event_ids[complete - 1]))
        if reached:
            await _move(tx, part.cursor, reached)
        return gaps


def _gap(name: str, part: ComparedEvents, rows: Sequence[Row], begins_at: datetime | None) -> tuple[Gap, int]:
    """Return the gap of a subscription, and the number of events before the first one in it."""
    gap, complete = Gap(name, [], []), len(part.event_ids)
    dead_lettered = {event.event_id for event in part.dead_lettered if event.subscription == name}
    for row in rows:
        index, event_id = row["n"] - 1, part.event_ids[row["n"] - 1]
        is_missing = row["rejection"] is None
        if event_id in dead_lettered or (is_missing and begins_at is not None and time_of(event_id) < begins_at):
            continue
        complete = min(complete, index)
        if is_missing:
            gap.missing.append(event_id)
        else:
            gap.rejected.append(RejectedEvent(event_id, row["rejection"]))
    return gap, complete


async def _current_inbox(tx: Transaction, subscription: Subscription) -> str:
    """Return the name of a subscription's inbox; that of a projection belongs to its current generation, the first."""
    if subscription.inboxes is None:
        return subscription.name
    name: str = (await subscription.inboxes(tx))[0].name
    return name


async def _move(tx: Transaction, cursor: LogCursor, reached: Sequence[tuple[str, int, UUID]]) -> None:
    columns = [list(column) for column in zip(*reached, strict=True)]
    if cursor.event_id is None:
        await tx.execute(_BEGIN, cursor.topic, *columns)
    else:
        await tx.execute(_MOVE, cursor.topic, *columns, cursor.position, cursor.event_id)

"""Events that are older than the inbox: their rows may be purged, so the position of the subscription decides.

Up to its position, a subscription had a row for every event, so an event without a row is a duplicate. After it, a
purged row and an event that never arrived look the same, so the event is rejected; an operator may replay it. A
subscription that begins with the log applies the events from before its start, which were never delivered to it.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.events.event_ids import time_of
from nextbuy.kit.events.inbox import INBOX_DAYS
from nextbuy.kit.events.missing_events import Progress, read_progress
from nextbuy.kit.storage.database import Executor

TOO_OLD: Final = f"older than {INBOX_DAYS} days and not compared with the event log; replay it if it was not applied"
_RECORDED: Final = """
    SELECT n FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS known (name, id, n)
    JOIN inbox ON subscription = name AND event_id = id
"""


class Verdict(Enum):
    """The decision about an event that is older than the inbox."""

    BY_INBOX = auto()
    """It has a row, or was never delivered: it is applied like any other."""
    DUPLICATE = auto()
    REJECTED = auto()


class OldEvent(Struct, frozen=True):
    """An event for one subscription, and the names of its inboxes."""

    subscription: str
    topic: str
    event_id: UUID
    inboxes: tuple[str, ...]


async def judge(db: Executor, events: Sequence[OldEvent]) -> list[Verdict]:
    """Return the verdict about each event."""
    keys = [(name, index) for index, event in enumerate(events) for name in event.inboxes]
    rows = await db.fetch(_RECORDED, [name for name, _ in keys], [events[index].event_id for _, index in keys])
    recorded = {keys[row["n"] - 1][1] for row in rows}
    progress = await read_progress(db, [event.subscription for event in events])
    return [
        Verdict.BY_INBOX if index in recorded else _judge_unrecorded(event, progress[event.subscription])
        for index, event in enumerate(events)
    ]


def _judge_unrecorded(event: OldEvent, progress: Progress) -> Verdict:
    reached = progress.reached.get(event.topic)
    if reached is not None and event.event_id <= reached[1]:
        return Verdict.DUPLICATE
    if progress.begins_at is None and time_of(event.event_id) < progress.started_at:
        return Verdict.BY_INBOX
    return Verdict.REJECTED

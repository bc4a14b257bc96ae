"""A service names the events without an inbox row, and moves its positions up to the first of them."""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from nextbuy.contracts.comparison import ComparedEvents, Gap, LogCursor, MissingEvents, SubscriptionEvent
from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.event_ids import first_id, time_of
from nextbuy.kit.events.inbox import record_new
from nextbuy.kit.events.missing_events import MissingEventFinder
from nextbuy.kit.service import Inbox, Service, Subscription, subscribe
from nextbuy.kit.storage.database import Transaction
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Counted,
    Measured,
    ReceiverHarness,
    deliver,
    entry,
    record_effects,
    refusing,
)

BEGINNING = LogCursor(Counted.topic)


class Finder:
    """A finder of a service with started subscriptions."""

    def __init__(self, harness: ReceiverHarness, *subscriptions: Subscription) -> None:
        self.names = [one.name for one in subscriptions]
        self._finder = MissingEventFinder(
            Service(name="sample", deps=object, subscriptions=subscriptions), harness.database
        )

    async def find(
        self, ids: list[UUID], *, cursor: LogCursor = BEGINNING, dead_lettered: list[tuple[str, UUID]] | None = None
    ) -> list[Gap]:
        """Return the gaps in events that follow on a cursor."""
        positions = list(range(cursor.position + 1, cursor.position + len(ids) + 1))
        part = ComparedEvents(
            cursor, self.names, positions, ids, [SubscriptionEvent(*key) for key in dead_lettered or ()]
        )
        [gaps] = (await self._finder.find(None, MissingEvents(parts=[part]))).gaps
        return gaps

    async def cursor(self, name: str = RECORD_EFFECTS.name) -> LogCursor:
        """Return the position of a subscription as a cursor."""
        positions = (await self._finder.find(None, MissingEvents(parts=[]))).positions
        [one] = [one for one in positions if (one.subscription, one.topic) == (name, Counted.topic)]
        return LogCursor(one.topic, one.position, one.event_id)


async def start(harness: ReceiverHarness, *subscriptions: Subscription) -> Finder:
    """Start subscriptions and return their finder."""
    await harness.receiver(*subscriptions)
    return Finder(harness, *subscriptions)


async def apply(harness: ReceiverHarness, ids: list[UUID], *subscriptions: str) -> None:
    """Record events as applied."""
    async with harness.database.transaction() as tx:
        for name in subscriptions or (RECORD_EFFECTS.name,):
            await record_new(tx, name, ids)


def new_ids(number: int) -> list[UUID]:
    """Return ids of events, in order."""
    return [new_id() for _ in range(number)]


async def test_applied_events_are_no_gap_and_position_moves_to_the_last(harness: ReceiverHarness) -> None:
    finder = await start(harness, RECORD_EFFECTS)
    ids = new_ids(3)
    await apply(harness, ids)

    assert await finder.find(ids) == []
    assert await finder.cursor() == LogCursor(Counted.topic, 3, ids[2])


async def test_position_stops_before_the_first_missing_event(harness: ReceiverHarness) -> None:
    finder = await start(harness, RECORD_EFFECTS)
    ids = new_ids(4)
    await apply(harness, [ids[0], ids[1], ids[3]])

    assert await finder.find(ids) == [Gap("record-effects", [ids[2]])]
    assert (await finder.cursor()).position == 2

    await apply(harness, [ids[2]])
    assert await finder.find(ids) == []
    assert (await finder.cursor()).position == 4


async def test_each_subscription_has_its_own_gap_and_position(harness: ReceiverHarness) -> None:
    other = subscribe("other", [Counted, Measured], record_effects)
    finder = await start(harness, RECORD_EFFECTS, other)
    ids = new_ids(2)
    await apply(harness, ids)
    await apply(harness, ids[:1], "other")

    assert await finder.find(ids) == [Gap("other", [ids[1]])]
    assert ((await finder.cursor()).position, (await finder.cursor("other")).position) == (2, 1)


async def test_rejected_event_is_named_with_its_reason_until_it_has_a_dead_letter(harness: ReceiverHarness) -> None:
    refuse = subscribe(RECORD_EFFECTS.name, Counted, refusing([1], lambda: Conflict("No."), []))
    receiver = await harness.receiver(refuse)
    finder = Finder(harness, refuse)
    ids = new_ids(2)
    await deliver(receiver, *(entry(Counted(about="a", n=n), id=one) for n, one in enumerate(ids)))

    [gap] = await finder.find(ids)

    assert (gap.missing, [(one.event_id, one.reason) for one in gap.rejected]) == ([], [(ids[1], "conflict: No.")])
    assert (await finder.cursor()).position == 1
    assert await finder.find(ids, dead_lettered=[(RECORD_EFFECTS.name, ids[1])]) == []
    assert (await finder.cursor()).position == 2


async def test_events_before_the_beginning_of_a_subscription_are_no_gap(harness: ReceiverHarness) -> None:
    finder = await start(harness, RECORD_EFFECTS)
    early = first_id(datetime.now(UTC) - timedelta(minutes=1))
    ids = [early, *new_ids(1)]

    assert await finder.find(ids) == [Gap("record-effects", [ids[1]])]
    assert (await finder.cursor()).position == 1


async def test_subscription_from_start_lacks_events_from_before_it_started(harness: ReceiverHarness) -> None:
    finder = await start(harness, subscribe(RECORD_EFFECTS.name, Counted, record_effects, from_start=True))
    early = first_id(datetime.now(UTC) - timedelta(days=100))

    assert await finder.find([early]) == [Gap("record-effects", [early])]


async def test_only_the_current_generation_of_a_projection_counts(harness: ReceiverHarness) -> None:
    async def inboxes(_tx: Transaction) -> list[Inbox]:
        return [Inbox(f"{RECORD_EFFECTS.name}/{generation}", partial(record_effects)) for generation in (3, 4)]

    finder = await start(
        harness, Subscription(RECORD_EFFECTS.name, (Counted,), record_effects, from_start=False, inboxes=inboxes)
    )
    ids = new_ids(2)
    await apply(harness, ids[:1], f"{RECORD_EFFECTS.name}/3")
    await apply(harness, ids[1:], f"{RECORD_EFFECTS.name}/4")

    assert await finder.find(ids) == [Gap("record-effects", [ids[1]])]
    assert (await finder.cursor()).position == 1


async def test_position_before_the_cursor_stays_since_the_database_was_restored(harness: ReceiverHarness) -> None:
    finder = await start(harness, RECORD_EFFECTS)
    ids = new_ids(6)
    await apply(harness, ids)
    await finder.find(ids[:2])
    restored = await finder.cursor()

    later = LogCursor(Counted.topic, 4, ids[3])
    assert await finder.find(ids[4:], cursor=later) == []

    assert await finder.cursor() == restored


async def test_position_falls_only_from_an_event_that_is_not_in_the_log(harness: ReceiverHarness) -> None:
    finder = await start(harness, RECORD_EFFECTS)
    ids = new_ids(6)
    await apply(harness, ids)
    await finder.find(ids)
    lost = await finder.cursor()

    assert await finder.find(ids[:2]) == []
    assert await finder.cursor() == lost
    part = ComparedEvents(lost, finder.names, [3], [ids[2]])
    await finder._finder.find(None, MissingEvents(parts=[part]))

    assert await finder.cursor() == LogCursor(Counted.topic, 3, ids[2])


async def test_unknown_subscription_of_a_newer_release_is_left_alone(harness: ReceiverHarness) -> None:
    finder = await start(harness, RECORD_EFFECTS)
    finder.names.append("of-a-newer-release")
    ids = new_ids(1)
    await apply(harness, ids)

    assert await finder.find(ids) == []
    sql = "SELECT subscription FROM compared_positions"
    assert [row["subscription"] for row in await harness.database.fetch(sql)] == ["record-effects"]


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 11, 28, 9, 30, tzinfo=UTC)])
def test_time_of_an_id_is_the_time_of_its_event(moment: datetime) -> None:
    assert time_of(first_id(moment)) == moment
    assert first_id(datetime(1900, 1, 1, tzinfo=UTC)).int == 0
    now = datetime.now(UTC)
    assert abs(time_of(new_id()) - now) < timedelta(seconds=1)
    assert time_of(UUID(int=2**128 - 1)).year >= 9999

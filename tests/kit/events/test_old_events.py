"""An event that is older than the inbox is applied only if it cannot have been applied before."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from nextbuy.contracts.comparison import ComparedEvents, LogCursor, MissingEvents
from nextbuy.contracts.delivery import EventEntry
from nextbuy.kit.events.event_ids import first_id
from nextbuy.kit.events.inbox import INBOX_DAYS, record_new
from nextbuy.kit.events.missing_events import MissingEventFinder
from nextbuy.kit.service import Service, Subscription, subscribe
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Counted,
    ReceiverHarness,
    applied,
    deliver,
    entry,
    outcomes,
    record_effects,
)

FROM_START = subscribe(RECORD_EFFECTS.name, Counted, record_effects, from_start=True)


def old_id(days: float = INBOX_DAYS + 1) -> UUID:
    """Return the id of an event that is some days old."""
    return first_id(datetime.now(UTC) - timedelta(days=days))


def old_entry(event_id: UUID, n: int = 1) -> EventEntry:
    return entry(Counted(about="a", n=n), id=event_id)


async def began_long_ago(harness: ReceiverHarness) -> None:
    """Have a subscription begin before every event of a test."""
    await harness.database.execute(
        "INSERT INTO subscriptions VALUES ($1, now() - interval '1 year', now() - interval '1 year')",
        RECORD_EFFECTS.name,
    )


async def compare_up_to(harness: ReceiverHarness, event_id: UUID, *subscriptions: Subscription) -> None:
    """Move the position of a subscription to an event, whose row is then purged."""
    async with harness.database.transaction() as tx:
        await record_new(tx, RECORD_EFFECTS.name, [event_id])
    finder = MissingEventFinder(Service(name="sample", deps=object, subscriptions=subscriptions), harness.database)
    part = ComparedEvents(LogCursor(Counted.topic), [RECORD_EFFECTS.name], [7], [event_id])
    await finder.find(None, MissingEvents(parts=[part]))
    await harness.database.execute("DELETE FROM inbox")


async def test_old_event_up_to_the_position_is_a_duplicate_with_one_log_line_a_batch(
    harness: ReceiverHarness, caplog: pytest.LogCaptureFixture
) -> None:
    await began_long_ago(harness)
    receiver = await harness.receiver(RECORD_EFFECTS)
    first, second = old_id(INBOX_DAYS + 2), old_id()
    await compare_up_to(harness, second, RECORD_EFFECTS)

    with caplog.at_level(logging.INFO):
        results = await deliver(receiver, old_entry(first), old_entry(second))

    assert outcomes(results) == ["duplicate", "duplicate"]
    assert await applied(harness.database) == []
    lines = [record for record in caplog.records if "older than the inbox" in record.message]
    assert len(lines) == 1


async def test_old_event_after_the_position_is_rejected_and_may_be_replayed(harness: ReceiverHarness) -> None:
    await began_long_ago(harness)
    receiver = await harness.receiver(RECORD_EFFECTS)
    await compare_up_to(harness, old_id(INBOX_DAYS + 2), RECORD_EFFECTS)
    late = old_entry(old_id())

    [[result]] = await deliver(receiver, late)
    assert result.outcome == "rejected"
    assert result.reason.startswith(f"older than {INBOX_DAYS} days")
    assert outcomes(await deliver(receiver, late)) == ["rejected"]

    assert outcomes(await deliver(receiver, replace(late, replay=True))) == ["applied"]
    assert await applied(harness.database) == [1]


async def test_old_event_with_an_inbox_row_is_a_duplicate(harness: ReceiverHarness) -> None:
    await began_long_ago(harness)
    receiver = await harness.receiver(RECORD_EFFECTS)
    event_id = old_id()
    async with harness.database.transaction() as tx:
        await record_new(tx, RECORD_EFFECTS.name, [event_id])

    assert outcomes(await deliver(receiver, old_entry(event_id))) == ["duplicate"]


async def test_subscription_that_catches_up_with_the_log_applies_old_events(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(FROM_START)

    assert outcomes(await deliver(receiver, old_entry(old_id()))) == ["applied"]


async def test_subscription_that_has_caught_up_does_not_apply_old_events_again(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(FROM_START)
    event_id = old_id()
    await compare_up_to(harness, event_id, FROM_START)

    assert outcomes(await deliver(receiver, old_entry(event_id))) == ["duplicate"]


async def test_old_event_from_after_the_start_of_a_subscription_is_rejected(harness: ReceiverHarness) -> None:
    await harness.database.execute(
        "INSERT INTO subscriptions VALUES ($1, '-infinity', now() - interval '1 year')", RECORD_EFFECTS.name
    )
    receiver = await harness.receiver(FROM_START)

    assert outcomes(await deliver(receiver, old_entry(old_id()))) == ["rejected"]


async def test_event_that_the_inbox_still_covers_is_applied(harness: ReceiverHarness) -> None:
    await began_long_ago(harness)
    receiver = await harness.receiver(RECORD_EFFECTS)

    assert outcomes(await deliver(receiver, old_entry(old_id(INBOX_DAYS - 1)))) == ["applied"]

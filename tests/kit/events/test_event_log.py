"""The event log keeps every event in order, and is read in parts, by topic or by key."""

import asyncpg
import pytest

from nextbuy.kit.events import event_log
from nextbuy.kit.observability import telemetry
from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import Counted, Measured, Padded, commit


async def test_log_is_read_in_parts_and_by_topic(publisher: Database) -> None:
    await commit(publisher, *[Counted(about="a", n=n) for n in range(3)], Measured(about="a", n=3))
    first = await event_log.read_after(publisher, 0, limit=2)
    assert [logged.position for logged in first] == [1, 2]
    rest = await event_log.read_after(publisher, first[-1].position, limit=10)
    assert [logged.envelope.type for logged in rest] == ["test.counted", "test.measured"]
    measured = await event_log.read_after(publisher, 0, limit=10, topics=["test.measured"])
    assert [logged.envelope.id for logged in measured] == [rest[-1].envelope.id]
    assert await event_log.read_after(publisher, rest[-1].position, limit=10) == []


async def test_log_is_read_by_key(publisher: Database) -> None:
    await commit(publisher, Counted(about="a", n=1), Counted(about="b", n=2), Measured(about="a", n=3))
    assert [envelope.type for envelope in await event_log.read_keys(publisher, ["a"], limit=9)] == [
        "test.counted",
        "test.measured",
    ]
    assert len(await event_log.read_keys(publisher, ["a", "b", "unknown"], limit=2)) == 2


@pytest.mark.parametrize("sampled", [True, False])
async def test_event_is_read_with_the_span_that_published_it(publisher: Database, *, sampled: bool) -> None:
    span = telemetry.start_span(request_id="request-1", sampled=sampled)
    with telemetry.use_span(span):
        await commit(publisher, Counted(about="a", n=1), Measured(about="a", n=2))

    published = await event_log.read_published(publisher, ["a"], limit=9)

    assert [(one.span.traceparent, one.span.correlation_id) for one in published] == [
        (span.traceparent, "request-1")
    ] * 2
    assert [one.envelope for one in published] == await event_log.read_keys(publisher, ["a"], limit=9)
    assert len(await event_log.read_published(publisher, ["a"], limit=1)) == 1


async def test_last_position_is_that_of_the_last_event(publisher: Database) -> None:
    assert await event_log.last_position(publisher) == 0
    await commit(publisher, Counted(about="a", n=1), Counted(about="b", n=2))
    assert await event_log.last_position(publisher) == 2


async def test_part_of_log_ends_at_the_byte_limit_and_skips_nothing(
    publisher: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(publisher, *[Padded(about="a", n=n, padding="a" * 400 * (n % 3)) for n in range(12)])
    monkeypatch.setattr(event_log, "MAX_PART_BYTES", 1_000)
    for topics in (None, ["test.counted"]):
        read: list[int] = []
        while part := await event_log.read_after(publisher, read[-1] if read else 0, limit=5, topics=topics):
            assert len(part) < 4
            read += [logged.position for logged in part]
        assert read == list(range(1, 13))


@pytest.mark.parametrize("change", ["UPDATE event_log SET envelope = '{}'", "DELETE FROM event_log"])
async def test_event_log_refuses_updates_and_deletes(publisher: Database, change: str) -> None:
    await commit(publisher, Counted(about="a", n=1))
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await publisher.execute(change)

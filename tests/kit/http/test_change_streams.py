"""Streams announce changes to the accounts concerned, in bounded number, and while the login session lasts."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast
from uuid import UUID

import pytest

from nextbuy.contracts.errors import Unauthenticated, Unavailable
from nextbuy.contracts.values import new_id
from nextbuy.kit.http import change_streams
from nextbuy.kit.http.change_streams import MAX_PER_ACCOUNT, ChangeStreams, TooManyStreams
from nextbuy.kit.storage.changes import SINCE, changes_query
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import EVENT_STREAM, Request, StreamedResponse
from tests.conftest import OpenDatabase

OPEN, HEARTBEAT, CHANGED = b": open\n\n", b": still open\n\n", b"event: changed\ndata:\n\n"
MAYA, INES = new_id(), new_id()

Events = AsyncGenerator[bytes, None]


async def is_valid() -> None:
    """Find the login session valid."""


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    """A database with a table of changes."""
    database = await open_database("notification")
    await database.execute(
        "CREATE TABLE changes (account_id uuid, all_accounts boolean, changed_in xid8 DEFAULT pg_current_xact_id())"
    )
    return database


@pytest.fixture
def streams(database: Database) -> ChangeStreams:
    """The streams of these changes."""
    return ChangeStreams(database, changes_query(f"SELECT account_id, all_accounts FROM changes WHERE {SINCE}"))


async def change(database: Database, account_id: UUID | None = None) -> None:
    await database.execute("INSERT INTO changes VALUES ($1, $2)", account_id, account_id is None)


def respond(streams: ChangeStreams, account_id: UUID = MAYA, method: str = "GET", check: Any = is_valid) -> Any:  # noqa: ANN401
    return streams.respond(Request(method, "/notification/api/stream", "", {}), account_id, check)


async def open_stream(streams: ChangeStreams, account_id: UUID = MAYA, check: Any = is_valid) -> Events:  # noqa: ANN401
    response = respond(streams, account_id, check=check)
    assert isinstance(response, StreamedResponse)
    events = cast("Events", response.chunks)
    assert await anext(events) == OPEN
    return events


async def next_event(events: Events, timeout: float = 0.3) -> bytes | None:
    """Return the next event, or None if it does not arrive in time; the stream is closed then."""
    try:
        async with asyncio.timeout(timeout):
            return await anext(events)
    except TimeoutError:
        return None


async def quiet(streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a first snapshot, and remember none of the changes before it."""
    monkeypatch.setattr(change_streams, "_RECENT", 0.0)
    events = await open_stream(streams)
    await streams.poll()
    await events.aclose()


async def test_change_reaches_the_streams_of_its_account_alone(
    database: Database, streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet(streams, monkeypatch)
    maya, ines = await open_stream(streams), await open_stream(streams, INES)
    await change(database, MAYA)

    await streams.poll()

    assert await next_event(maya) == CHANGED
    assert await next_event(ines) is None
    assert await next_event(maya) is None, "a change was sent twice"


async def test_change_for_all_accounts_reaches_all(
    database: Database, streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet(streams, monkeypatch)
    maya, ines = await open_stream(streams), await open_stream(streams, INES)
    await change(database)

    await streams.poll()

    assert [await next_event(maya), await next_event(ines)] == [CHANGED, CHANGED]


async def test_change_while_no_stream_was_open_is_sent_to_the_next(
    database: Database, streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet(streams, monkeypatch)
    await change(database, MAYA)
    await streams.poll()

    events = await open_stream(streams)
    await streams.poll()

    assert await next_event(events) == CHANGED


async def test_change_just_before_a_stream_was_opened_is_sent(database: Database, streams: ChangeStreams) -> None:
    ines = await open_stream(streams, INES)
    await streams.poll()
    await change(database, MAYA)
    await streams.poll()

    assert await next_event(await open_stream(streams)) == CHANGED
    await ines.aclose()


async def test_streams_of_an_account_are_bounded_and_a_closed_one_frees_its_place(streams: ChangeStreams) -> None:
    events = [await open_stream(streams) for _ in range(MAX_PER_ACCOUNT)]
    with pytest.raises(TooManyStreams) as refusal:
        respond(streams)
    await open_stream(streams, INES)

    await events[0].aclose()

    assert (refusal.value.status, refusal.value.retry_after) == (503, 30.0)
    assert await open_stream(streams) is not None
    assert streams.count == MAX_PER_ACCOUNT + 1


async def test_all_streams_together_are_bounded(streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_streams, "MAX_STREAMS", 2)
    [await open_stream(streams, new_id()) for _ in range(2)]

    with pytest.raises(TooManyStreams):
        respond(streams)


async def test_last_place_is_taken_once(streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_streams, "MAX_STREAMS", 1)
    first, second = respond(streams).chunks, respond(streams, INES).chunks

    assert [await anext(first), await anext(second, None)] == [OPEN, None]


@pytest.mark.parametrize(("error", "ends"), [(Unauthenticated(), True), (Unavailable(), False)])
async def test_stream_ends_with_its_login_session(
    streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch, error: Exception, *, ends: bool
) -> None:
    monkeypatch.setattr(change_streams, "HEARTBEAT", 0.05)

    async def refuse() -> None:
        raise error

    events = await open_stream(streams, check=refuse)

    assert await anext(events, None) == (None if ends else HEARTBEAT)
    assert streams.count == (0 if ends else 1)


async def test_heartbeat_comes_in_spite_of_many_changes(
    database: Database, streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_streams, "HEARTBEAT", 0.2)
    events = await open_stream(streams)
    received = []
    while HEARTBEAT not in received:
        await change(database, MAYA)
        await streams.poll()
        received.append(await anext(events))
        assert len(received) < 200

    assert received[0] == CHANGED


async def test_stream_ends_after_its_lifetime(streams: ChangeStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_streams, "LIFETIME", 0.1)
    events = await open_stream(streams)

    assert await anext(events, None) is None
    assert streams.count == 0


async def test_head_opens_no_stream(streams: ChangeStreams) -> None:
    response = respond(streams, method="HEAD")

    assert (response.status, response.content_type, response.body) == (200, EVENT_STREAM, b"")
    assert type(response) is not StreamedResponse

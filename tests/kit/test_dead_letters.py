"""What could not be applied is kept whole, and tried again when a person asks."""

import logging

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.message import Envelope
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.dead_letters import replays
from nextbuy.kit.events.dead_letters import store as dead_letters
from nextbuy.kit.service import on, on_batch
from nextbuy.kit.storage.database import Database, Transaction
from tests.kit.shop import Counted, LogFile, count, effects, note_all, packet, send
from tests.kit.test_consumer import Batched, Desk
from tests.kit.test_outbox import count_is
from tests.waiting import until

LETTERS = "dead_letters"


@pytest.fixture
def at(desk: Database, bus: RedisBus, log_file: LogFile) -> Desk:
    return Desk(desk, bus, log_file)


async def the_letter(database: Database) -> dead_letters.DeadLetter:
    [letter] = (await dead_letters.page(database, 10)).items
    return letter


async def test_a_replayed_letter_is_applied_once_by_the_handler_that_failed(at: Desk) -> None:
    mended = False
    others: list[int] = []

    async def noted(deps: object, tx: Transaction, pairs: Batched) -> None:
        if not mended:
            raise Conflict("Not yet.", slug="not-yet")
        await note_all(deps, tx, pairs)

    async def other(_deps: object, event: Counted, _envelope: Envelope) -> None:
        others.append(event.n)

    async with at.consuming(on_batch("noted", [Counted], noted), on("other", Counted, other)):
        await send(at.bus, Counted(about="a", n=1))
        await until(lambda: count_is(at.database, LETTERS, 1))
        letter = await the_letter(at.database)
        assert (letter.handler, letter.reason, letter.attempts) == ("noted", "not-yet: Not yet.", 1)
        assert letter.envelope["data"] == {"about": "a", "n": 1}
        mended = True
        assert (await replays.ask_replay(at.database, letter.id)).status == "replaying"
        await until(lambda: count_is(at.database, f"{LETTERS} WHERE status = 'replayed'", 1))
    assert await effects(at.database) == [("a", 1)]
    assert others == [1]
    with pytest.raises(Conflict, match="already"):
        await replays.ask_replay(at.database, letter.id)


async def test_a_replay_that_fails_says_why_and_waits_as_before(at: Desk) -> None:
    reason = "first"

    async def failing(_deps: object, _event: Counted, _envelope: Envelope) -> None:
        raise Conflict("No.", slug=reason)

    async with at.consuming(on("failing", Counted, failing)):
        await send(at.bus, Counted(about="a", n=1))
        await until(lambda: count_is(at.database, LETTERS, 1))
        reason = "second"
        letter = await the_letter(at.database)
        await replays.ask_replay(at.database, letter.id)
        await until(lambda: count_is(at.database, f"{LETTERS} WHERE attempts = 2", 1))
    after = await dead_letters.whole(at.database, letter.id)
    assert (after.status, after.reason, after.replays) == ("waiting", "second: No.", 1)


async def test_a_letter_that_could_not_be_read_can_be_replayed_when_it_can(at: Desk) -> None:
    async with at.consuming(on_batch("note-all", [Counted], note_all)):
        await at.bus.publish([packet(Counted(about="a", n=1), type="test.unheard-of")])
        await until(lambda: count_is(at.database, LETTERS, 1))
        letter = await the_letter(at.database)
        assert (letter.handler, letter.event_type) == ("", "test.unheard-of")
        await replays.ask_replay(at.database, letter.id)
        await until(lambda: count_is(at.database, f"{LETTERS} WHERE attempts = 2", 1))
        # What a new version that knows the event would make of it.
        good = packet(Counted(about="a", n=1)).body
        await at.database.execute("UPDATE dead_letters SET envelope = $1", good)
        await replays.ask_replay(at.database, letter.id)
        await until(lambda: count_is(at.database, f"{LETTERS} WHERE status = 'replayed'", 1))
    assert await effects(at.database) == [("a", 1)]


async def test_a_replay_whose_process_died_is_run_by_another(at: Desk) -> None:
    refuse = True

    async def noted(deps: object, tx: Transaction, pairs: Batched) -> None:
        if refuse:
            raise Conflict("Not yet.")
        await note_all(deps, tx, pairs)

    async with at.consuming(on_batch("noted", [Counted], noted)):
        await send(at.bus, Counted(about="a", n=1))
        await until(lambda: count_is(at.database, LETTERS, 1))
    refuse = False
    letter = await the_letter(at.database)
    await replays.ask_replay(at.database, letter.id)
    dead = await replays.claim(at.database, 10)
    assert [one.letter.id for one in dead] == [letter.id]
    consumer = at.consumer(on_batch("noted", [Counted], noted))
    assert not await consumer.replayer.some()
    await at.database.execute("UPDATE dead_letters SET leased_until = clock_timestamp()")
    assert await consumer.replayer.some()
    assert not await replays.settle(at.database, dead)
    assert await effects(at.database) == [("a", 1)]


async def test_the_list_is_paged_the_latest_first(at: Desk) -> None:
    async with at.consuming(on_batch("note-all", [Counted], note_all)):
        await at.bus.publish([BusMessage("test.counted", "a", b"bad %d" % n) for n in range(5)])
        await until(lambda: count_is(at.database, LETTERS, 5))
    seen: list[str] = []
    cursor = None
    for size in (2, 2, 1):
        page = await dead_letters.page(at.database, 2, cursor)
        assert len(page.items) == size
        seen += [letter.envelope for letter in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [f"bad {n}" for n in (4, 3, 2, 1, 0)]
    assert not (await dead_letters.page(at.database, 2, status="replayed")).items


async def test_a_letter_that_is_not_there_or_a_strange_cursor_is_refused(desk: Database) -> None:
    with pytest.raises(NotFound):
        await dead_letters.whole(desk, new_id())
    with pytest.raises(NotFound):
        await replays.ask_replay(desk, new_id())
    with pytest.raises(Unprocessable):
        await dead_letters.page(desk, 10, "nonsense")


async def test_errors_with_any_text_can_be_kept(at: Desk, caplog: pytest.LogCaptureFixture) -> None:
    # A worker of pytest-xdist cannot report a log record with a lone surrogate.
    caplog.set_level(logging.CRITICAL, logger="nextbuy.kit.events.handling")

    async def act(_deps: object, _event: Counted, _envelope: Envelope) -> None:
        try:
            raise OSError("behind \0 \ud800")
        except OSError as error:
            raise Conflict("x" * 10_000 + "\0") from error

    async with at.consuming(on("act", Counted, act)):
        await send(at.bus, Counted(about="a", n=1))
        await until(lambda: count_is(at.database, LETTERS, 1))
    letter = await the_letter(at.database)
    assert len(letter.reason) <= 2_000
    assert letter.error_chain[1].startswith("OSError: behind \\0 ?")
    assert await count(at.database, "inbox") == 1

"""Events that could not be applied are stored completely and replayed on request."""

import logging

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.message import Envelope
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kafka.dead_letters import replay_requests
from nextbuy.kafka.dead_letters import store as dead_letters
from nextbuy.kit.service import on, on_batch
from nextbuy.kit.storage.database import Database, Transaction
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Batched,
    ConsumerHarness,
    Counted,
    count,
    count_is,
    effects,
    message,
    record_effects,
    send,
)
from tests.waiting import until

LETTERS = "dead_letters"


async def only_letter(database: Database) -> dead_letters.DeadLetter:
    [letter] = (await dead_letters.list_dead_letters(database, 10)).items
    return letter


async def test_replay_runs_once_and_only_the_handler_that_failed(harness: ConsumerHarness) -> None:
    fixed = False
    others: list[int] = []

    async def record(deps: object, tx: Transaction, pairs: Batched) -> None:
        if not fixed:
            raise Conflict("Not yet.")
        await record_effects(deps, tx, pairs)

    async def other(_deps: object, event: Counted, _envelope: Envelope) -> None:
        others.append(event.n)

    async with harness.consuming(on_batch("record", [Counted], record), on("other", Counted, other)):
        await send(harness.bus, Counted(about="a", n=1))
        await until(lambda: count_is(harness.database, LETTERS, 1))
        letter = await only_letter(harness.database)
        assert (letter.handler, letter.reason, letter.attempts) == ("record", "conflict: Not yet.", 1)
        assert letter.envelope["data"] == {"about": "a", "n": 1}
        fixed = True
        assert (await replays.request_replay(harness.database, letter.id)).status == "replaying"
        await until(lambda: count_is(harness.database, f"{LETTERS} WHERE status = 'replayed'", 1))
    assert await effects(harness.database) == [("a", 1)]
    assert others == [1]
    with pytest.raises(Conflict, match="already"):
        await replays.request_replay(harness.database, letter.id)


async def test_delivery_is_dead_lettered_once(harness: ConsumerHarness) -> None:
    sent = message(Counted(about="a", n=1), id=new_id())

    for reason in ("first", "second"):
        async with harness.database.transaction() as tx:
            await dead_letters.dead_letter(
                tx, "test.counted", sent.body, Conflict(reason), delivery_key="record/1", attempts=1
            )

    assert (await only_letter(harness.database)).reason == "conflict: first"


async def test_failed_replay_stores_the_new_reason_and_waits(harness: ConsumerHarness) -> None:
    reason = "first"

    async def failing(_deps: object, _event: Counted, _envelope: Envelope) -> None:
        raise Conflict(reason)

    async with harness.consuming(on("failing", Counted, failing)):
        await send(harness.bus, Counted(about="a", n=1))
        await until(lambda: count_is(harness.database, LETTERS, 1))
        reason = "second"
        letter = await only_letter(harness.database)
        await replays.request_replay(harness.database, letter.id)
        await until(lambda: count_is(harness.database, f"{LETTERS} WHERE attempts = 2", 1))
    after = await dead_letters.get_dead_letter(harness.database, letter.id)
    assert (after.status, after.reason, after.replays) == ("waiting", "conflict: second", 1)


async def test_undecodable_letter_is_replayed_once_it_can_be_decoded(harness: ConsumerHarness) -> None:
    async with harness.consuming(RECORD_EFFECTS):
        await harness.bus.publish([message(Counted(about="a", n=1), type="test.unheard-of")])
        await until(lambda: count_is(harness.database, LETTERS, 1))
        letter = await only_letter(harness.database)
        assert (letter.handler, letter.event_type) == ("", "test.unheard-of")
        await replays.request_replay(harness.database, letter.id)
        await until(lambda: count_is(harness.database, f"{LETTERS} WHERE attempts = 2", 1))
        # The repaired envelope stands for a new version that can decode the event.
        good = message(Counted(about="a", n=1)).body
        await harness.database.execute("UPDATE dead_letters SET envelope = $1", good)
        await replays.request_replay(harness.database, letter.id)
        await until(lambda: count_is(harness.database, f"{LETTERS} WHERE status = 'replayed'", 1))
    assert await effects(harness.database) == [("a", 1)]


async def test_replay_of_dead_process_is_run_by_another(harness: ConsumerHarness) -> None:
    refuse = True

    async def record(deps: object, tx: Transaction, pairs: Batched) -> None:
        if refuse:
            raise Conflict("Not yet.")
        await record_effects(deps, tx, pairs)

    async with harness.consuming(on_batch("record", [Counted], record)):
        await send(harness.bus, Counted(about="a", n=1))
        await until(lambda: count_is(harness.database, LETTERS, 1))
    refuse = False
    letter = await only_letter(harness.database)
    await replays.request_replay(harness.database, letter.id)
    dead = await replays.claim(harness.database, 10)
    assert [one.letter.id for one in dead] == [letter.id]
    consumer = harness.consumer(on_batch("record", [Counted], record))
    assert not await consumer.replayer.run_batch()
    await harness.database.execute("UPDATE dead_letters SET due_at = now()")
    assert await consumer.replayer.run_batch()
    assert not await replays.mark_replayed(harness.database, dead)
    assert await effects(harness.database) == [("a", 1)]


async def test_dead_letters_are_listed_in_pages_newest_first(harness: ConsumerHarness) -> None:
    async with harness.consuming(RECORD_EFFECTS):
        await harness.bus.publish([BusMessage("test.counted", "a", b"bad %d" % n) for n in range(5)])
        await until(lambda: count_is(harness.database, LETTERS, 5))
    bodies: list[str] = []
    cursor = None
    for size in (2, 2, 1):
        page = await dead_letters.list_dead_letters(harness.database, 2, cursor)
        assert len(page.items) == size
        bodies += [letter.envelope for letter in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert bodies == [f"bad {n}" for n in (4, 3, 2, 1, 0)]
    assert not (await dead_letters.list_dead_letters(harness.database, 2, status="replayed")).items


async def test_unknown_letter_and_invalid_cursor_are_refused(subscriber: Database) -> None:
    with pytest.raises(NotFound):
        await dead_letters.get_dead_letter(subscriber, new_id())
    with pytest.raises(NotFound):
        await replays.request_replay(subscriber, new_id())
    with pytest.raises(Unprocessable):
        await dead_letters.list_dead_letters(subscriber, 10, "nonsense")


async def test_error_text_with_nul_and_surrogates_is_stored(
    harness: ConsumerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    # A worker of pytest-xdist cannot report a log record with a lone surrogate.
    caplog.set_level(logging.CRITICAL, logger="nextbuy.kit.events.handling")

    async def act(_deps: object, _event: Counted, _envelope: Envelope) -> None:
        try:
            raise OSError("behind \0 \ud800")
        except OSError as error:
            raise Conflict("x" * 10_000 + "\0") from error

    async with harness.consuming(on("act", Counted, act)):
        await send(harness.bus, Counted(about="a", n=1))
        await until(lambda: count_is(harness.database, LETTERS, 1))
    letter = await only_letter(harness.database)
    assert len(letter.reason) <= 2_000
    assert letter.error_chain[1].startswith("OSError: behind \\0 ?")
    assert await count(harness.database, "inbox") == 1

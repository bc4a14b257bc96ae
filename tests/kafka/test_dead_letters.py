"""Events that could not be applied are stored completely, once, and replayed on request."""

import logging

import pytest
from msgspec.structs import replace

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.values import new_id
from nextbuy.kafka.dead_letters import replay_requests
from nextbuy.kafka.dead_letters import store as dead_letters
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Transaction
from tests.conftest import OpenDatabase
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness
from tests.kafka.sample_dead_letters import new_dead_letter
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Counted,
    Inbound,
    applied,
    count,
    message,
    record_effects,
    recording,
    rejections_in,
)
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("fast_retries")


async def wait_for_dead_letters(harness: DeliveryHarness, number: int) -> list[dead_letters.DeadLetter]:
    """Wait until the failing events are dead-lettered and all are acknowledged; return the dead letters."""

    async def condition() -> bool:
        return len(await harness.dead_letters()) == number and await harness.is_done()

    await until(condition, f"{number} dead letters")
    return await harness.dead_letters()


async def test_replay_runs_once_and_only_in_the_subscription_that_rejected(make_harness: MakeHarness) -> None:
    fixed = False

    async def record(deps: object, tx: Transaction, events: Inbound) -> None:
        if not fixed:
            raise Conflict("Not yet.")
        await record_effects(deps, tx, events)

    other = subscribe("other", Counted, recording("other"))
    harness = await make_harness(sample=[subscribe("record", Counted, record), other])
    database = harness.destinations["sample"].database
    sent = message(Counted(about="a", n=1))
    async with harness.delivering():
        await harness.publish(sent)
        [letter] = await wait_for_dead_letters(harness, 1)
    assert (letter.topic, letter.event_type) == ("test.counted", "test.counted")
    assert (letter.destination, letter.subscription) == ("sample", "record")
    assert (letter.reason, letter.attempts) == ("conflict: Not yet.", 1)
    assert letter.envelope["data"] == {"about": "a", "n": 1}
    assert letter.error_chain[0].startswith("Conflict: Not yet.")

    fixed = True
    assert (await replay_requests.request_replay(harness.database, letter.id)).status == "replaying"
    await harness.replay()

    assert (await dead_letters.get_dead_letter(harness.database, letter.id)).status == "replayed"
    [replayed] = harness.destinations["sample"].calls[-1].entries
    assert (replayed.subscriptions, replayed.replay, replayed.position) == (["record"], True, sent.position)
    assert await applied(database, "record_effects") == [1]
    assert await applied(database, "other") == [1]
    with pytest.raises(Conflict, match="already"):
        await replay_requests.request_replay(harness.database, letter.id)


async def test_delivery_is_dead_lettered_once(open_database: OpenDatabase) -> None:
    database = await open_database("kafka")
    first = new_dead_letter(1, reason="conflict: first")
    again = replace(first, reason="x")

    await dead_letters.store_dead_letters(database, [first, first])
    await dead_letters.store_dead_letters(database, [again])

    [letter] = (await dead_letters.list_dead_letters(database, 10)).items
    assert letter.reason == "conflict: first"


async def test_failed_replay_stores_the_new_reason_and_waits(make_redis_harness: MakeHarness) -> None:
    reason = "first"

    async def failing(_deps: object, _tx: Transaction, _events: Inbound) -> None:
        raise Conflict(reason)

    harness = await make_redis_harness(sample=[subscribe("failing", Counted, failing)])
    async with harness.delivering():
        await harness.publish(Counted(about="a", n=1))
        [letter] = await wait_for_dead_letters(harness, 1)

    reason = "second"
    await replay_requests.request_replay(harness.database, letter.id)
    await harness.replay()

    after = await dead_letters.get_dead_letter(harness.database, letter.id)
    assert (after.status, after.reason, after.replays, after.attempts) == ("waiting", "conflict: second", 1, 2)
    assert await rejections_in(harness.destinations["sample"].database) == ["conflict: second"]


@pytest.mark.parametrize(
    ("undecodable", "reason"),
    [
        (BusMessage("test.counted", "a", b"\xffno JSON", 5), "Invalid envelope: "),
        (message(Counted(about="a", n=1), id="no id"), "Invalid envelope: "),
        (message(Counted(about="a", n=1), type="test.unheard-of"), "Event type test.unheard-of on topic test.counted."),
        (
            message(Counted(about="a", n=1), source="seller"),
            "Published by seller, but only shop publishes test.counted.",
        ),
        (replace(message(Counted(about="a", n=1)), position=0), "No valid position in its publisher's event log."),
    ],
    ids=["no JSON", "invalid id", "type of another topic", "another source", "no position"],
)
async def test_undecodable_event_has_a_dead_letter_without_subscription_and_is_replayed_to_all_after_the_fix(
    make_harness: MakeHarness, undecodable: BusMessage, reason: str
) -> None:
    other = subscribe("other", Counted, recording("other"))
    harness = await make_harness(sample=[RECORD_EFFECTS, other], second=[RECORD_EFFECTS])
    sample, second = harness.destinations.values()
    async with harness.delivering():
        await harness.publish(Counted(about="a", n=0), undecodable, Counted(about="a", n=2))
        await until(lambda: harness.is_done("second"))
        [letter] = await wait_for_dead_letters(harness, 1)
    assert (letter.destination, letter.subscription, letter.topic) == ("", "", "test.counted")
    assert letter.reason.startswith(reason)
    assert await applied(sample.database, "other") == await applied(second.database) == [0, 2]

    await replay_requests.request_replay(harness.database, letter.id)
    await harness.replay()

    again = await dead_letters.get_dead_letter(harness.database, letter.id)
    assert (again.status, again.attempts, again.reason) == ("waiting", 2, letter.reason)

    # The repaired message stands for a new version that can decode the event.
    good = message(Counted(about="a", n=1))
    await harness.database.execute("UPDATE dead_letters SET envelope = $1, position = $2", good.body, good.position)
    await replay_requests.request_replay(harness.database, letter.id)
    await harness.replay()

    assert (await dead_letters.get_dead_letter(harness.database, letter.id)).status == "replayed"
    assert await applied(sample.database, "other") == [0, 2, 1]
    assert await applied(sample.database, "record_effects") == [0, 2, 1]
    assert await applied(second.database) == [0, 2, 1]
    assert sample.calls[-1].entries[0].position == second.calls[-1].entries[0].position == good.position


async def test_undecodable_event_keeps_the_type_that_its_envelope_names(
    make_redis_harness: MakeHarness,
) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    async with harness.delivering():
        await harness.publish(
            message(Counted(about="a", n=1), type="test.\0unknown"), BusMessage("test.counted", "a", b"{", 2)
        )
        letters = await wait_for_dead_letters(harness, 2)

    assert sorted(letter.event_type for letter in letters) == ["", "test.\\0unknown"]


async def test_replay_to_all_waits_for_the_subscription_that_rejects_it(make_redis_harness: MakeHarness) -> None:
    fixed = False

    async def record(deps: object, tx: Transaction, events: Inbound) -> None:
        if not fixed:
            raise Conflict("Not yet.")
        await record_effects(deps, tx, events)

    harness = await make_redis_harness(sample=[subscribe("record", Counted, record)], second=[RECORD_EFFECTS])
    async with harness.delivering():
        await harness.publish(BusMessage("test.counted", "a", b"\xffno JSON", 1))
        [letter] = await wait_for_dead_letters(harness, 1)
    good = message(Counted(about="a", n=1)).body
    await harness.database.execute("UPDATE dead_letters SET envelope = $1", good)

    await replay_requests.request_replay(harness.database, letter.id)
    await harness.replay()
    assert (await dead_letters.get_dead_letter(harness.database, letter.id)).reason == "conflict: Not yet."
    fixed = True
    await replay_requests.request_replay(harness.database, letter.id)
    await harness.replay()

    assert (await dead_letters.get_dead_letter(harness.database, letter.id)).status == "replayed"
    for destination in harness.destinations.values():
        assert await applied(destination.database) == [1]


async def test_dead_letter_for_a_deleted_subscription_can_be_discarded(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    await dead_letters.store_dead_letters(harness.database, [new_dead_letter(1, "gone")])
    [letter] = await harness.dead_letters()

    await replay_requests.request_replay(harness.database, letter.id)
    await harness.replay()

    after = await dead_letters.get_dead_letter(harness.database, letter.id)
    assert after.reason == "subscription 'gone' no longer exists; discard this dead letter"
    async with harness.database.transaction() as tx:
        assert (await dead_letters.discard(tx, letter.id, "Removed.")).status == "discarded"


async def test_dead_letters_are_listed_in_pages_newest_first(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    async with harness.delivering():
        await harness.publish(*(BusMessage("test.counted", "a", b"bad %d" % n, n + 1) for n in range(5)))
        await wait_for_dead_letters(harness, 5)

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


async def test_list_has_the_beginning_of_a_large_envelope_and_the_dead_letter_all_of_it(
    make_redis_harness: MakeHarness,
) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    async with harness.delivering():
        await harness.publish(BusMessage("test.counted", "a", b"x" * 50_000, 1))
        [listed] = await wait_for_dead_letters(harness, 1)

    whole = await dead_letters.get_dead_letter(harness.database, listed.id)
    assert (len(listed.envelope), len(whole.envelope)) == (10_000, 50_000)


async def test_unknown_dead_letter_and_invalid_cursor_are_refused(open_database: OpenDatabase) -> None:
    database = await open_database("kafka")

    with pytest.raises(NotFound):
        await dead_letters.get_dead_letter(database, new_id())
    with pytest.raises(NotFound):
        await replay_requests.request_replay(database, new_id())
    with pytest.raises(Unprocessable):
        await dead_letters.list_dead_letters(database, 10, "nonsense")


async def test_error_text_with_nul_and_surrogates_is_stored(
    make_redis_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    # A worker of pytest-xdist cannot report a log record with a lone surrogate.
    caplog.set_level(logging.CRITICAL, logger="nextbuy")

    async def act(_deps: object, _tx: Transaction, _events: Inbound) -> None:
        try:
            raise OSError("behind \0 \ud800")
        except OSError as error:
            raise Conflict("x" * 10_000 + "\0") from error

    harness = await make_redis_harness(sample=[subscribe("act", Counted, act)])
    async with harness.delivering():
        await harness.publish(Counted(about="a", n=1))
        [letter] = await wait_for_dead_letters(harness, 1)

    assert len(letter.reason) <= 2_000
    assert letter.error_chain[1].startswith("OSError: behind \\0 ?")
    assert await count(harness.destinations["sample"].database, "inbox") == 1

"""Poison among many valid events: each event that cannot be applied is one dead letter, and the others are applied."""

import asyncio
import random
from collections import Counter

import msgspec
import pytest

from nextbuy.contracts.errors import Conflict
from nextbuy.kafka.dead_letters.replay_requests import get_replay
from nextbuy.kafka.dead_letters.store import store_dead_letters
from nextbuy.kafka.delivery import dispatcher
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Transaction
from tests.kafka.conftest import MakeHarness
from tests.kafka.sample_dead_letters import request
from tests.kafka.sample_events import EVENTS_IN_LARGE_TESTS
from tests.kit.events.sample import Counted, Inbound, applied, count, message, numbers_of, record_effects
from tests.waiting import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("fast_retries")]
VALID = EVENTS_IN_LARGE_TESTS
POISON_OF_EACH_KIND = VALID // 40
REFUSED = range(1_000_000, 2_000_000)
POISON = range(0, 500, 5)


async def refuse_poison(deps: object, tx: Transaction, events: Inbound) -> None:
    """Apply events, unless there is a poisonous one."""
    await record_effects(deps, tx, events)
    if any(n in POISON for n in numbers_of(events)):
        raise Conflict("No.")


@pytest.mark.parametrize("stopped", ["never", "in the call", "before it stores", "after it has stored"])
async def test_hundred_poisonous_events_of_five_hundred_are_dead_lettered_once_and_the_others_applied_once(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    harness = await make_harness(sample=[subscribe("record", Counted, refuse_poison)])
    sample, reached = harness.destinations["sample"], asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    async def hang_in_call(_entries: object) -> None:
        await hang()

    async def store(*arguments: object) -> None:
        if stopped == "after it has stored":
            await store_dead_letters(*arguments)  # type: ignore[arg-type]
        await hang()

    await harness.publish(*(Counted(about="a", n=n) for n in range(500)))
    if stopped != "never":
        with pytest.MonkeyPatch.context() as patch:
            if stopped == "in the call":
                patch.setattr(sample, "intercept", hang_in_call)
            else:
                patch.setattr(dispatcher, "store_dead_letters", store)
            async with harness.delivering():
                await reached.wait()
    async with harness.delivering():
        await until(harness.is_done, "all events are acknowledged", timeout=60)

    assert await applied(sample.database) == [n for n in range(500) if n not in POISON]
    letters = await harness.dead_letters()
    assert sorted(letter.envelope["data"]["n"] for letter in letters) == list(POISON)
    assert {letter.reason for letter in letters} == {"conflict: No."}
    assert sample.database.transactions <= 1_000


def poison(kind: int) -> BusMessage:
    event = Counted(about="a", n=REFUSED[kind])
    match kind % 4:
        case 0:
            return BusMessage(Counted.topic, "key", b"\xffno JSON %d" % random.getrandbits(64), 1)
        case 1:
            return message(event, type="test.unheard-of")
        case 2:
            return message(event, data=msgspec.Raw(b'{"about": 7}'))
        case _:
            return message(event)


@pytest.mark.scaled
async def test_poison_is_dead_lettered_by_reason_and_replayed_after_the_fix(make_harness: MakeHarness) -> None:
    fixed = False

    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        if not fixed and any(n in REFUSED for n in numbers_of(events)):
            raise Conflict("Refused for this test.")
        await record_effects(deps, tx, events)

    harness = await make_harness(sample=[subscribe("record", Counted, act)])
    sample = harness.destinations["sample"]
    messages = [message(Counted(about=str(n % 50), n=n)) for n in range(VALID)]
    messages += [poison(kind) for kind in range(4 * POISON_OF_EACH_KIND)]
    random.shuffle(messages)
    async with harness.delivering():
        await harness.publish(*messages)
        await until(harness.is_done, "all events are acknowledged", timeout=120)
    letters = await harness.database.fetch("SELECT subscription, substr(reason, 1, 24) AS reason FROM dead_letters")
    assert Counter((row["subscription"], row["reason"]) for row in letters) == {
        ("", "Invalid envelope: JSON is"[:24]): POISON_OF_EACH_KIND,
        ("", "Event type test.unheard-"): POISON_OF_EACH_KIND,
        ("record", "Invalid data for the type"[:24]): POISON_OF_EACH_KIND,
        ("record", "conflict: Refused for th"): POISON_OF_EACH_KIND,
    }
    assert sorted(await applied(sample.database)) == list(range(VALID))

    fixed = True
    run = await request(harness.database)
    assert run.total == 4 * POISON_OF_EACH_KIND
    await harness.replay()

    run = await get_replay(harness.database, run.id)
    assert (run.done, run.failed, run.finished_at is not None) == (POISON_OF_EACH_KIND, 3 * POISON_OF_EACH_KIND, True)
    assert await count(sample.database, "effects") == VALID + POISON_OF_EACH_KIND
    assert await count(harness.database, "dead_letters WHERE status = 'waiting'") == 3 * POISON_OF_EACH_KIND

"""Events that the bus rejects are listed among the dead letters, replayed by their publisher, and discarded."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.contracts.message import Call, Check, Reply
from nextbuy.kafka.dead_letters import purge_dead_letters, replay_requests, store
from nextbuy.kafka.dead_letters.collect_parked_events import collect_parked_events
from nextbuy.kafka.dead_letters.run_replays import run_replays
from nextbuy.kafka.dead_letters.store import DeadLetter, Filter
from nextbuy.kit.events import parking
from nextbuy.kit.events.bus.interface import BusMessage, MessageRejected
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.parking import parking_handlers
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.http.app import App
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import LocalTransport
from nextbuy.kit.service import Service
from nextbuy.kit.service_context import Publisher
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.database import Database
from tests.conftest import OpenDatabase
from tests.kafka.delivery_harness import SECRET
from tests.kafka.sample_dead_letters import add_dead_letters, request
from tests.kafka.sample_deps import sample_deps
from tests.kit.events.sample import Counted, Padded, commit, count

PUBLISHER = "order"


class PickyBus(RedisBus):
    """A bus that rejects events with some numbers."""

    odd: frozenset[int] = frozenset()

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        for message in messages:
            if (n := msgspec.json.decode(message.body)["data"]["n"]) in self.odd:
                raise MessageRejected(f"{n} is too odd")
        await super().publish(messages)


class ParkingHarness:
    """A publisher with a relay, and the kafka service that calls it."""

    def __init__(self, database: Database, publisher: Database, redis: Redis, journal: Journal) -> None:
        self.database, self.publisher = database, publisher
        publisher.service = PUBLISHER
        self.bus = PickyBus(redis)
        self.relay = Relay(self.publisher, self.bus, journal)
        self.available = True
        app = App(
            Service(name=PUBLISHER, deps=object),
            None,
            identity=ServiceIdentity(SECRET, PUBLISHER),
            database=publisher,
            calls=parking_handlers(PUBLISHER, publisher),
        )
        self._calls = Calls(
            ServiceIdentity(SECRET, "kafka"),
            {PUBLISHER: LocalTransport(PUBLISHER, lambda: app.handle)},
            journal,
            breakers=Breakers("kafka", [PUBLISHER], asyncio.get_running_loop().time),
        )
        self.deps = sample_deps(database, self._send, self.bus, [], [Publisher(PUBLISHER, [])])

    async def _send(self, call: Call[Reply], check: Check[Reply] | None = None) -> Reply:
        if not self.available:
            raise ServiceUnavailable(PUBLISHER)
        return await self._calls.send(call, check)

    async def publish(self, *numbers: int) -> None:
        """Commit events and publish them; those that the bus rejects are parked."""
        await commit(self.publisher, *[Counted(about="a", n=n) for n in numbers])
        await self.drain()

    async def drain(self) -> None:
        """Run the relay until the outbox is empty."""
        while await self.relay.publish_batch() is not None:
            pass

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""
        return (await store.list_dead_letters(self.database, 1_000)).items[::-1]

    async def replay(self, letter_id: UUID) -> None:
        """Replay one dead letter."""
        await replay_requests.request_replay(self.database, letter_id)
        await run_replays(self.deps)

    async def discard(self, letter_id: UUID) -> None:
        """Discard one dead letter."""
        async with self.database.transaction() as tx:
            await store.discard(tx, letter_id, "Never mind.")


@pytest.fixture
async def harness(open_database: OpenDatabase, redis: Redis) -> AsyncIterator[ParkingHarness]:
    """A publisher and the kafka service."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    harness = ParkingHarness(await open_database("kafka"), await open_database(""), redis, Journal(nowhere))
    harness.bus.odd = frozenset({2})
    yield harness
    await harness.bus.close()
    os.close(nowhere)


async def test_parked_event_is_listed_among_the_dead_letters_with_its_publisher(harness: ParkingHarness) -> None:
    await harness.publish(1, 2, 3)

    for _ in range(2):
        await collect_parked_events(harness.deps)

    [letter] = await harness.dead_letters()
    assert (letter.topic, letter.publisher, letter.destination, letter.subscription) == (
        Counted.topic,
        PUBLISHER,
        "",
        "",
    )
    assert (letter.reason, letter.status, letter.attempts) == ("2 is too odd", "waiting", 1)
    assert letter.envelope["data"] == {"about": "a", "n": 2}
    assert letter.event_id == UUID(letter.envelope["id"])


async def test_replay_publishes_parked_event(harness: ParkingHarness) -> None:
    await harness.publish(2)
    await collect_parked_events(harness.deps)
    [letter] = await harness.dead_letters()
    harness.bus.odd = frozenset()

    await harness.replay(letter.id)
    await harness.drain()
    await collect_parked_events(harness.deps)

    assert [one.status for one in await harness.dead_letters()] == ["replayed"]
    assert await count(harness.publisher, "parked_events") == 0
    assert await harness.deps.bus._shared_client.xlen(f"nextbuy:stream:{Counted.topic}") == 1  # type: ignore[attr-defined]


async def test_event_that_is_parked_again_waits_for_operator_again(harness: ParkingHarness) -> None:
    await harness.publish(2)
    await collect_parked_events(harness.deps)
    [letter] = await harness.dead_letters()

    await harness.replay(letter.id)
    await harness.drain()
    await collect_parked_events(harness.deps)

    [again] = await harness.dead_letters()
    assert (again.id, again.status, again.attempts) == (letter.id, "waiting", 2)


async def test_discarded_event_stays_in_the_log_and_is_not_listed_again(harness: ParkingHarness) -> None:
    await harness.publish(2)
    await collect_parked_events(harness.deps)
    [letter] = await harness.dead_letters()

    await harness.discard(letter.id)
    await harness.database.execute("UPDATE dead_letters SET resolved_at = now() - interval '1 year'")
    await purge_dead_letters.purge_dead_letters(harness.deps)
    await collect_parked_events(harness.deps)

    assert [one.status for one in await harness.dead_letters()] == ["discarded"]
    assert (await count(harness.publisher, "outbox"), await count(harness.publisher, "event_log")) == (0, 1)


async def test_lost_dead_letter_is_stored_again(harness: ParkingHarness) -> None:
    await harness.publish(2)
    await collect_parked_events(harness.deps)
    await harness.database.execute("DELETE FROM dead_letters")

    await collect_parked_events(harness.deps)

    assert [one.reason for one in await harness.dead_letters()] == ["2 is too odd"]


async def test_events_beyond_the_size_of_a_reply_are_listed_too(
    harness: ParkingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "MAX_PART_BYTES", 1_000)
    monkeypatch.setattr(parking, "MAX_LISTED", 2)
    monkeypatch.setattr("nextbuy.kafka.dead_letters.collect_parked_events.MAX_LISTED", 2)
    harness.bus.odd = frozenset(range(7))
    await harness.publish(*range(7))

    await collect_parked_events(harness.deps)

    assert [letter.envelope["data"]["n"] for letter in await harness.dead_letters()] == [*range(7)]


async def test_event_that_is_larger_than_a_reply_is_listed_with_its_beginning_and_replayed(
    harness: ParkingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "MAX_PART_BYTES", 1_000)
    monkeypatch.setattr(parking, "_SHORTENED", 100)
    harness.bus.odd = frozenset({1, 2})
    await commit(harness.publisher, Padded(about="a", n=1, padding="a" * 900))
    await harness.publish(2)

    await collect_parked_events(harness.deps)

    large, small = await harness.dead_letters()
    assert (len(large.envelope), small.envelope["data"]["n"]) == (100, 2)
    harness.bus.odd = frozenset()
    await harness.replay(large.id)
    assert await count(harness.publisher, "outbox") == 1


async def test_unavailable_publisher_delays_listing_and_replay(harness: ParkingHarness) -> None:
    await harness.publish(2)
    harness.available = False
    await collect_parked_events(harness.deps)
    assert await harness.dead_letters() == []
    harness.available = True
    await collect_parked_events(harness.deps)
    [letter] = await harness.dead_letters()

    harness.available = False
    await harness.replay(letter.id)
    assert [one.status for one in await harness.dead_letters()] == ["replaying"]
    harness.available = True
    await harness.database.execute("UPDATE dead_letters SET due_at = now()")
    await run_replays(harness.deps)

    assert [(one.status, one.attempts) for one in await harness.dead_letters()] == [("replayed", 1)]


async def test_dead_letter_that_is_being_replayed_is_not_reopened_before_its_replay_has_ended(
    harness: ParkingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.publish(2)
    await collect_parked_events(harness.deps)
    [letter] = await harness.dead_letters()
    mark_replayed = replay_requests.mark_replayed

    async def late(*arguments: object) -> set[UUID]:
        await harness.drain()
        await collect_parked_events(harness.deps)
        assert [one.status for one in await harness.dead_letters()] == ["replaying"]
        return await mark_replayed(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(replay_requests, "mark_replayed", late)
        await harness.replay(letter.id)
    await collect_parked_events(harness.deps)

    assert [(one.status, one.attempts) for one in await harness.dead_letters()] == [("waiting", 2)]


async def test_replay_by_filter_includes_parked_events_and_other_dead_letters(harness: ParkingHarness) -> None:
    await harness.publish(2)
    await collect_parked_events(harness.deps)
    await add_dead_letters(harness.database, range(2))

    parked = await request(harness.database, Filter(subscription=""))
    assert parked.total == 1
    await run_replays(harness.deps)

    assert (await replay_requests.get_replay(harness.database, parked.id)).done == 1
    assert (await request(harness.database)).total == 2

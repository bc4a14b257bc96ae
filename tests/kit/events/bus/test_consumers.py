"""Consumers on each bus: complete envelopes, newer publishers, and handing over between dispatchers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from nextbuy.contracts.delivery import DeliveryClient, EventEntry, EventsReceived, Outcome, ReceiveEvents, Result
from nextbuy.contracts.message import Call, Check, Envelope, Reply
from nextbuy.kafka.delivery import dispatcher as dispatching
from nextbuy.kafka.delivery.dispatcher import Dispatcher
from nextbuy.kit.events.bus.interface import MAX_POSITION, Bus, BusMessage
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.inbound import EventDecoder, InboundEvent
from nextbuy.kit.service_context import Destination
from nextbuy.kit.storage.database import Database
from tests.conftest import OpenDatabase
from tests.kit.events.bus.test_conformance import messages, numbers
from tests.kit.events.sample import Counted, by_key, count, message, send
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)

SAMPLE = Destination("sample", {Counted.topic: ["append"]})


class Receiver:
    """A destination that answers `calls` calls, and none after them."""

    def __init__(self, calls: float = float("inf")) -> None:
        self.applied: list[EventEntry] = []
        self.stuck = asyncio.Event()
        self._calls = calls

    async def __call__(self, call: Call[Reply], _check: Check[Reply] | None = None) -> Reply:
        self._calls -= 1
        if self._calls < 0:
            self.stuck.set()
            await asyncio.Event().wait()
        entries = cast("ReceiveEvents", call).entries
        self.applied += entries
        return cast("Reply", EventsReceived([[Result(Outcome.APPLIED)] for _ in entries]))

    def bodies(self) -> list[dict[str, Any]]:
        """Return the envelopes of the events that were applied."""
        return [msgspec.json.decode(bytes(entry.envelope)) for entry in self.applied]


def decoded(body: bytes, position: int) -> InboundEvent:
    return EventDecoder([Counted]).event(EventDecoder.envelope(body, position), body, position)


@asynccontextmanager
async def dispatching_to(receiver: Receiver, bus: Bus, database: Database) -> AsyncIterator[None]:
    """Run a dispatcher until the context ends."""
    running = asyncio.create_task(Dispatcher(SAMPLE, DeliveryClient(receiver), bus, database, asyncio.Queue()).run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def dead_letters(open_database: OpenDatabase) -> Database:
    """The database of the kafka service."""
    return await open_database("kafka")


async def test_every_field_of_an_envelope_arrives(any_bus: Bus, dead_letters: Database) -> None:
    sent = message(Counted(about="снег ☃", n=1), causation_id="its cause", schema_version=7)
    receiver = Receiver()

    async with dispatching_to(receiver, any_bus, dead_letters):
        await any_bus.publish([sent])
        await until(lambda: len(receiver.applied) == 1)

    [arrived] = receiver.applied
    received = decoded(bytes(arrived.envelope), arrived.position)
    assert received.event == Counted(about="снег ☃", n=1)
    assert received.envelope == msgspec.json.decode(sent.body, type=Envelope)
    assert (received.envelope.causation_id, received.envelope.schema_version) == ("its cause", 7)
    assert received.envelope.correlation_id
    assert received.envelope.traceparent.startswith("00-")
    assert (received.position, arrived.subscriptions) == (sent.position, ["append"])


async def test_position_of_an_event_arrives_with_it(any_bus: Bus) -> None:
    positions = [1, 2, 10, 9, MAX_POSITION, MAX_POSITION - 1]
    await any_bus.publish([BusMessage("t", "one", b"%d" % position, position) for position in positions])
    subscription = any_bus.subscribe("g", ["t"])

    arrived: list[tuple[bytes, int]] = []
    async with asyncio.timeout(15):
        async for batch in subscription.batches():
            arrived += [(delivery.body, delivery.position) for delivery in batch.deliveries]
            await batch.acknowledge()
            if len(arrived) == len(positions):
                break
    await subscription.close()

    assert arrived == [(b"%d" % position, position) for position in positions]


async def test_unknown_fields_of_a_newer_publisher_are_delivered_unchanged(
    any_bus: Bus, dead_letters: Database
) -> None:
    known = message(Counted(about="a", n=1))
    fields = msgspec.json.decode(known.body)
    newer = fields | {
        "schema_version": 2,
        "data": fields["data"] | {"colour": "red", "parts": [{"n": 1}]},
        "tenant": "north",
        "priority": 3,
        "labels": {"a": None},
    }
    receiver = Receiver()

    async with dispatching_to(receiver, any_bus, dead_letters):
        await any_bus.publish([BusMessage(known.topic, known.key, msgspec.json.encode(newer), 1)])
        await until(lambda: len(receiver.applied) == 1)

    assert receiver.bodies() == [newer]
    event = decoded(bytes(receiver.applied[0].envelope), 1)
    assert (event.event, event.envelope.schema_version) == (Counted(about="a", n=1), 2)
    assert await count(dead_letters, "dead_letters") == 0


async def test_stopped_dispatcher_acknowledges_what_was_applied_and_next_one_delivers_the_rest(
    any_bus: Bus, dead_letters: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several calls per batch, so that the first dispatcher stops in the middle of one.
    monkeypatch.setattr(dispatching, "MAX_BYTES", 4_000)
    total, keys = 120, 6
    first, second = Receiver(calls=3), Receiver()
    await any_bus.publish([message(Counted(about=f"key {n % keys}", n=n)) for n in range(total)])

    async with dispatching_to(first, any_bus, dead_letters):
        await first.stuck.wait()
    if isinstance(any_bus, RedisBus):
        assert not await any_bus._shared_client.keys("nextbuy:lease:*")
    async with dispatching_to(second, any_bus, dead_letters):
        await until(lambda: len(first.applied) + len(second.applied) >= total, timeout=30)

    assert first.applied
    done = [body["data"]["n"] for body in [*first.bodies(), *second.bodies()]]
    assert sorted(done) == list(range(total))
    for key in range(keys):
        assert [n for n in done if n % keys == key] == list(range(key, total, keys))


async def test_two_dispatchers_of_a_destination_keep_the_order_of_each_key(
    any_bus: Bus, dead_letters: Database
) -> None:
    keys = [f"key-{number}" for number in range(8)]
    receiver = Receiver()

    async with (
        dispatching_to(receiver, any_bus, dead_letters),
        dispatching_to(receiver, any_bus, dead_letters),
    ):
        for start in range(0, 50, 10):
            await send(any_bus, *[Counted(about=key, n=n) for n in range(start, start + 10) for key in keys])
        await until(lambda: len(receiver.applied) >= 400, timeout=30)

    arrived = [(body["key"], body["data"]["n"]) for body in receiver.bodies()]
    assert by_key(arrived) == {key: list(range(50)) for key in keys}


async def test_batch_of_killed_consumer_goes_to_its_successor(any_bus: Bus, bus_arguments: list[str]) -> None:
    await any_bus.publish(messages("t", range(10)))
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.events.bus.holding_process", *bus_arguments, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline()
    holder.kill()
    await holder.wait()
    successor = any_bus.subscribe("g", ["t"], batch_size=3)
    got: list[int] = []
    async with asyncio.timeout(15):
        async for batch in successor.batches():
            got += numbers(batch)
            await batch.acknowledge()
            if len(got) >= 10:
                break
    assert got == list(range(10))
    await successor.close()

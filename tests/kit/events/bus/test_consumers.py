"""Consumers on each bus: complete envelopes, newer publishers, and handing over between consumers."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from nextbuy.contracts.message import Envelope
from nextbuy.kit.events.bus.interface import Bus, BusMessage
from nextbuy.kit.service import on
from nextbuy.kit.storage.database import Database
from tests.kit.events.bus.test_conformance import messages, numbers
from tests.kit.events.sample import ConsumerHarness, Counted, LogFile, count, message
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)

Arrived = list[tuple[Counted, Envelope]]


def appending_to(arrived: Arrived, pause: float) -> Callable[[Any, Counted, Envelope], Any]:
    """Return a handler that records events and then waits `pause` seconds."""

    async def append(_deps: object, event: Counted, envelope: Envelope) -> None:
        arrived.append((event, envelope))
        await asyncio.sleep(pause)

    return append


def consume(harness: ConsumerHarness, arrived: Arrived, *, pause: float = 0.0) -> asyncio.Task[None]:
    """Start a consumer that records what it receives."""
    return asyncio.create_task(harness.consumer(on("append", Counted, appending_to(arrived, pause))).run())


async def stop(*consumers: asyncio.Task[None]) -> None:
    for consumer in consumers:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)


@pytest.fixture
def harness(subscriber: Database, any_bus: Bus, log_file: LogFile) -> ConsumerHarness:
    """Consumers of the sample service on each bus in turn."""
    return ConsumerHarness(subscriber, any_bus, log_file)


async def test_every_field_of_an_envelope_arrives(harness: ConsumerHarness, any_bus: Bus) -> None:
    sent = message(Counted(about="снег ☃", n=1), causation_id="its cause", schema_version=7)
    arrived: Arrived = []
    consumer = consume(harness, arrived)
    await any_bus.publish([sent])
    await until(lambda: len(arrived) == 1)
    await stop(consumer)
    event, envelope = arrived[0]
    assert event == Counted(about="снег ☃", n=1)
    assert envelope == msgspec.json.decode(sent.body, type=Envelope)
    assert (envelope.causation_id, envelope.schema_version) == ("its cause", 7)
    assert envelope.correlation_id
    assert envelope.traceparent.startswith("00-")


async def test_unknown_fields_are_ignored_by_handlers_and_stay_on_the_bus(
    harness: ConsumerHarness, any_bus: Bus
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
    arrived: Arrived = []
    consumer = consume(harness, arrived)
    await any_bus.publish([BusMessage(known.topic, known.key, msgspec.json.encode(newer))])
    await until(lambda: len(arrived) == 1)
    await stop(consumer)
    assert (arrived[0][0], arrived[0][1].schema_version) == (Counted(about="a", n=1), 2)
    assert await count(harness.database, "dead_letters") == 0
    raw = any_bus.subscribe("raw", [known.topic])
    async with asyncio.timeout(15):
        batch = await anext(aiter(raw.batches()))
    assert msgspec.json.decode(batch.deliveries[0].body) == newer
    await raw.close()


async def test_stopped_consumer_finishes_its_batch_and_next_one_does_the_rest(
    harness: ConsumerHarness, any_bus: Bus
) -> None:
    total, keys = 120, 6
    first: Arrived = []
    second: Arrived = []
    leaving = consume(harness, first, pause=0.01)
    await any_bus.publish([message(Counted(about=f"key {n % keys}", n=n)) for n in range(total)])
    await until(lambda: len(first) >= 10)
    staying = consume(harness, second, pause=0.001)
    await stop(leaving)
    await until(lambda: len(first) + len(second) >= total)
    await stop(staying)
    done = [event.n for event, _ in [*first, *second]]
    assert sorted(done) == list(range(total))
    for key in range(keys):
        assert [n for n in done if n % keys == key] == list(range(key, total, keys))


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

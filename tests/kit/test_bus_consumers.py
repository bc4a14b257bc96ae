"""What consumers have of every bus: envelopes whole, newer senders understood, nothing lost as they come and go."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from nextbuy.contracts.message import Envelope
from nextbuy.kit.events.bus.interface import Bus, BusMessage
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.service import Service, on
from nextbuy.kit.storage.database import Database
from tests.kit.shop import Counted, LogFile, count, packet
from tests.kit.test_bus_conformance import numbers, packets
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)

Heard = list[tuple[Counted, Envelope]]


def hearing(heard: Heard, pause: float = 0.0) -> Callable[[Any, Counted, Envelope], Any]:
    """A handler that takes its time."""

    async def hear(_deps: object, event: Counted, envelope: Envelope) -> None:
        heard.append((event, envelope))
        await asyncio.sleep(pause)

    return hear


class Desk:
    """A service that listens, on some bus."""

    def __init__(self, database: Database, bus: Bus, log_file: LogFile) -> None:
        self.database, self._bus, self._log_file = database, bus, log_file

    def listen(self, heard: Heard, *, group: str = "desk", pause: float = 0.0) -> asyncio.Task[None]:
        service = Service(name="desk", deps=object, listens=[on("hear", Counted, hearing(heard, pause))])
        consumer = Consumer(service, None, self.database, self._bus, self._log_file.journal, group=group)
        return asyncio.create_task(consumer.run())


async def stop(*consumers: asyncio.Task[None]) -> None:
    for consumer in consumers:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)


@pytest.fixture
def at(desk: Database, any_bus: Bus, log_file: LogFile) -> Desk:
    return Desk(desk, any_bus, log_file)


async def test_an_envelope_arrives_whole(at: Desk, any_bus: Bus) -> None:
    sent = packet(Counted(about="снег ☃", n=1), causation_id="its cause", schema_version=7)
    heard: Heard = []
    consumer = at.listen(heard)
    await any_bus.publish([sent])
    await until(lambda: len(heard) == 1)
    await stop(consumer)
    event, envelope = heard[0]
    assert event == Counted(about="снег ☃", n=1)
    assert envelope == msgspec.json.decode(sent.body, type=Envelope)
    assert (envelope.causation_id, envelope.schema_version) == ("its cause", 7)
    assert envelope.correlation_id
    assert envelope.traceparent.startswith("00-")


async def test_what_only_a_newer_sender_knows_hinders_nobody_and_is_kept(at: Desk, any_bus: Bus) -> None:
    known = packet(Counted(about="a", n=1))
    fields = msgspec.json.decode(known.body)
    newer = fields | {
        "schema_version": 2,
        "data": fields["data"] | {"colour": "red", "parts": [{"n": 1}]},
        "tenant": "north",
        "priority": 3,
        "labels": {"a": None},
    }
    heard: Heard = []
    consumer = at.listen(heard)
    await any_bus.publish([BusMessage(known.topic, known.key, msgspec.json.encode(newer))])
    await until(lambda: len(heard) == 1)
    await stop(consumer)
    assert (heard[0][0], heard[0][1].schema_version) == (Counted(about="a", n=1), 2)
    assert await count(at.database, "dead_letters") == 0
    raw = any_bus.subscribe("raw", [known.topic])
    async with asyncio.timeout(15):
        batch = await anext(aiter(raw.batches()))
    assert msgspec.json.decode(batch.deliveries[0].body) == newer
    await raw.close()


async def test_a_consumer_that_is_stopped_finishes_what_it_has_and_the_next_does_the_rest(
    at: Desk, any_bus: Bus
) -> None:
    total, keys = 120, 6
    first: Heard = []
    second: Heard = []
    leaving = at.listen(first, pause=0.01)
    await any_bus.publish([packet(Counted(about=f"key {n % keys}", n=n)) for n in range(total)])
    await until(lambda: len(first) >= 10)
    staying = at.listen(second, pause=0.001)
    await stop(leaving)
    await until(lambda: len(first) + len(second) >= total)
    await stop(staying)
    done = [event.n for event, _ in [*first, *second]]
    assert sorted(done) == list(range(total))
    for key in range(keys):
        assert [n for n in done if n % keys == key] == list(range(key, total, keys))


async def test_the_successor_of_a_killed_consumer_has_what_it_held(any_bus: Bus, address: list[str]) -> None:
    await any_bus.publish(packets("t", range(10)))
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.bus_victim", *address, stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    assert await victim.stdout.readline()
    victim.kill()
    await victim.wait()
    successor = any_bus.subscribe("g", ["t"], most=3)
    got: list[int] = []
    async with asyncio.timeout(15):
        async for batch in successor.batches():
            got += numbers(batch)
            await batch.acknowledge()
            if len(got) >= 10:
                break
    assert got == list(range(10))
    await successor.close()

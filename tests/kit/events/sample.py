"""A sample publisher and subscriber: two events, a handler with readable effects, and a consumer to run."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kit.events.bus.interface import Bus, BusMessage
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.events.outbox import make_envelope, publish
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Listening, Service, on_batch
from nextbuy.kit.storage.database import Database, Transaction

ROOT = Path(__file__).resolve().parents[3]
EFFECTS = "CREATE TABLE effects (place bigint GENERATED ALWAYS AS IDENTITY, about text, n bigint, by text)"


class Counted(Event, topic="test.counted", key="about"):
    about: str
    n: int


class Measured(Event, topic="test.measured", key="about"):
    about: str
    n: int


Batched = Sequence[tuple[Counted, Envelope]]


class LogFile:
    """A journal that can be read back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.journal = telemetry.Journal(self._fd)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        lines = [msgspec.json.decode(line) for line in self._path.read_bytes().splitlines()]
        return [line for line in lines if line.get("kind") == kind]

    def close(self) -> None:
        os.close(self._fd)


class ConsumerHarness:
    """Creates and runs consumers of a sample service."""

    def __init__(self, database: Database, bus: Bus, log_file: LogFile) -> None:
        self.database, self.bus, self.log_file = database, bus, log_file

    def consumer(self, *listens: Listening) -> Consumer:
        service = Service(name="sample", deps=object, listens=listens)
        return Consumer(service, None, self.database, self.bus, self.log_file.journal, group="sample")

    @asynccontextmanager
    async def consuming(self, *listens: Listening) -> AsyncIterator[Consumer]:
        """Consume and replay until the context ends."""
        consumer = self.consumer(*listens)
        tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(consumer.replayer.run())]
        yield consumer
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def commit(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        await publish(tx, *events)


def message(event: Event, **changes: object) -> BusMessage:
    """Return an event as a bus message, without an outbox; `changes` are fields of its envelope."""
    envelope = msgspec.structs.replace(make_envelope(event, "sample", telemetry.start_span()), **changes)
    return BusMessage(event.topic, envelope.key, msgspec.json.encode(envelope))


async def send(bus: Bus, *events: Event) -> None:
    await bus.publish([message(event) for event in events])


async def record_effects(_deps: object, tx: Transaction, pairs: Batched) -> None:
    """Handle a batch by inserting one row of `effects` per event."""
    await tx.execute(
        "INSERT INTO effects (about, n, by) SELECT *, 'record_effects' FROM unnest($1::text[], $2::bigint[])",
        [event.about for event, _ in pairs],
        [event.n for event, _ in pairs],
    )


RECORD_EFFECTS = on_batch("record-effects", [Counted], record_effects)


async def effects(database: Database) -> list[tuple[str, int]]:
    return [(row["about"], row["n"]) for row in await database.fetch("SELECT about, n FROM effects ORDER BY place")]


async def count(database: Database, table: str) -> int:
    return int(await database.fetchval(f"SELECT count(*) FROM {table}"))


async def count_is(database: Database, table: str, number: int) -> bool:
    return await count(database, table) == number


def by_key(pairs: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    """Return the numbers of each key, without duplicates, in order of first occurrence."""
    found: dict[str, dict[int, None]] = {}
    for about, n in pairs:
        found.setdefault(about, {}).setdefault(n)
    return {about: list(numbers) for about, numbers in found.items()}


async def run_until_killed(role: str, database_url: str, redis_url: str) -> bool:
    """Run `crashing_process.py` and return whether it killed itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.events.crashing_process", role, database_url, redis_url, cwd=ROOT
    )
    return await asyncio.wait_for(process.wait(), 20) == -signal.SIGKILL

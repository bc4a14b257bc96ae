"""A shop so small that only its events matter: what the tests of outbox, bus and consumer publish and listen to."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kit.events.bus.interface import Bus, BusMessage
from nextbuy.kit.events.outbox import make_envelope, publish
from nextbuy.kit.observability import telemetry
from nextbuy.kit.storage.database import Database, Transaction

EFFECTS = "CREATE TABLE effects (place bigint GENERATED ALWAYS AS IDENTITY, about text, n bigint, by text)"


class Counted(Event, topic="test.counted", key="about"):
    about: str
    n: int


class Told(Event, topic="test.told", key="about"):
    about: str
    n: int


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


async def commit(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        await publish(tx, *events)


def packet(event: Event, **changes: object) -> BusMessage:
    """An event as it goes over the bus, without an outbox."""
    envelope = msgspec.structs.replace(make_envelope(event, "shop", telemetry.start_span()), **changes)
    return BusMessage(event.topic, envelope.key, msgspec.json.encode(envelope))


async def send(bus: Bus, *events: Event) -> None:
    await bus.publish([packet(event) for event in events])


async def note_all(_deps: object, tx: Transaction, pairs: Sequence[tuple[Counted, Envelope]]) -> None:
    """A batch handler whose effects can be read back."""
    await tx.execute(
        "INSERT INTO effects (about, n, by) SELECT *, 'note_all' FROM unnest($1::text[], $2::bigint[])",
        [event.about for event, _ in pairs],
        [event.n for event, _ in pairs],
    )


async def effects(database: Database) -> list[tuple[str, int]]:
    return [(row["about"], row["n"]) for row in await database.fetch("SELECT about, n FROM effects ORDER BY place")]


async def count(database: Database, table: str) -> int:
    return int(await database.fetchval(f"SELECT count(*) FROM {table}"))


def numbers_by_key(pairs: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    """Return for each key its numbers in order of their first coming."""
    found: dict[str, dict[int, None]] = {}
    for about, n in pairs:
        found.setdefault(about, {}).setdefault(n)
    return {about: list(numbers) for about, numbers in found.items()}

"""A sample publisher and subscriber: two events, a handler with readable effects, and receivers to deliver to."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from nextbuy.contracts.delivery import EventEntry, ReceiveEvents, Result
from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.message import Event
from nextbuy.kit.events.bus.interface import Bus, BusMessage
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.events.outbox import make_envelope, publish
from nextbuy.kit.events.receiver import Receiver
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Service, Subscription, subscribe
from nextbuy.kit.storage.database import Database, Executor, Transaction
from tests.log_lines import decode_line

ROOT = Path(__file__).resolve().parents[3]
EFFECTS = "CREATE TABLE effects (place bigint GENERATED ALWAYS AS IDENTITY, about text, n bigint, by text)"
_positions: Final = itertools.count(1)
_ADD_EFFECTS: Final = "INSERT INTO effects (about, n, by) SELECT *, $3 FROM unnest($1::text[], $2::bigint[])"


class Counted(Event, topic="test.counted", key="about"):
    about: str
    n: int


class Padded(Event, topic="test.counted", key="about"):
    """The same event with a body of any size; its subscribers ignore the padding."""

    about: str
    n: int
    padding: str


class Measured(Event, topic="test.measured", key="about"):
    about: str
    n: int


Inbound = Sequence[InboundEvent]
Handler = Callable[[object, Transaction, Inbound], Awaitable[None]]


class LogFile:
    """A journal that can be read back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.journal = telemetry.Journal(self._fd)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        lines = [decode_line(line) for line in self._path.read_bytes().splitlines()]
        return [line for line in lines if line.get("kind") == kind]

    def close(self) -> None:
        os.close(self._fd)


class CountingDatabase(Database):
    """A database that counts its transactions."""

    transactions = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.transactions += 1
        async with super().transaction() as tx:
            yield tx


class ReceiverHarness:
    """Starts receivers of a sample service, and counts their transactions."""

    def __init__(self, database: Database, log_file: LogFile) -> None:
        self.database = CountingDatabase(database._pool, "sample")
        self.log_file = log_file

    async def receiver(self, *subscriptions: Subscription) -> Receiver:
        """Return a started receiver; events from before the first start are not applied."""
        service = Service(name="sample", deps=object, subscriptions=subscriptions)
        receiver = Receiver(service, None, self.database, self.log_file.journal)
        await receiver.start()
        return receiver


async def commit(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        await publish(tx, *events)


def message(event: Event, **changes: object) -> BusMessage:
    """Return an event as a bus message at the next position, without an outbox; `changes` are envelope fields."""
    envelope = msgspec.structs.replace(make_envelope(event, "shop", telemetry.start_span()), **changes)
    return BusMessage(event.topic, envelope.key, msgspec.json.encode(envelope), next(_positions))


async def send(bus: Bus, *events: Event) -> None:
    await bus.publish([message(event) for event in events])


def entry(event: Event, *subscriptions: str, **changes: object) -> EventEntry:
    """Return an event for subscriptions, by default for `RECORD_EFFECTS`; `changes` are fields of its envelope."""
    sent = message(event, **changes)
    return EventEntry(msgspec.Raw(sent.body), list(subscriptions or [RECORD_EFFECTS.name]), sent.position)


def counted(numbers: Sequence[int], *subscriptions: str) -> list[EventEntry]:
    """Return an event per number."""
    return [entry(Counted(about="a", n=n), *subscriptions) for n in numbers]


async def deliver(receiver: Receiver, *entries: EventEntry) -> list[list[Result]]:
    """Deliver events in one call, as JSON, and return the results."""
    body = msgspec.json.encode(ReceiveEvents(entries=list(entries)))
    return (await receiver.receive(None, msgspec.json.decode(body, type=ReceiveEvents))).results


def outcomes(results: Sequence[Sequence[Result]]) -> list[str]:
    """Return the outcomes of each entry, as one word per entry with one subscription."""
    return [" ".join(result.outcome for result in of_entry) for of_entry in results]


def numbers_of(events: Inbound) -> list[int]:
    return [cast("Counted", one.event).n for one in events]


def recording(by: str) -> Handler:
    """Return a handler that inserts one row of `effects` per event."""

    async def record(_deps: object, tx: Transaction, events: Inbound) -> None:
        await tx.execute(_ADD_EFFECTS, [one.envelope.key for one in events], numbers_of(events), by)

    return record


record_effects: Final = recording("record_effects")
RECORD_EFFECTS: Final = subscribe("record-effects", Counted, record_effects)


def refusing(numbers: Collection[int], error: Callable[[], Exception], attempts: list[list[int]]) -> Handler:
    """Return a handler that appends the numbers of each attempt, and fails for some of them after its effects."""

    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        attempts.append(numbers_of(events))
        await record_effects(deps, tx, events)
        if any(n in numbers for n in attempts[-1]):
            raise error()

    return act


def refuse() -> Exception:
    return Conflict("No.")


def break_down() -> Exception:
    return ValueError("invalid numbers")


async def rejections_in(db: Executor) -> list[str]:
    """Return the reasons in the inbox, by event."""
    rows = await db.fetch("SELECT rejection FROM inbox WHERE rejection IS NOT NULL ORDER BY event_id")
    return [row["rejection"] for row in rows]


async def effects(db: Executor, by: str | None = None) -> list[tuple[str, int]]:
    """Return the effects in order, of one handler or of all."""
    rows = await db.fetch("SELECT about, n FROM effects WHERE $1::text IS NULL OR by = $1 ORDER BY place", by)
    return [(row["about"], row["n"]) for row in rows]


async def applied(db: Executor, by: str | None = None) -> list[int]:
    """Return the numbers of the events that a handler has applied, in order."""
    return [n for _, n in await effects(db, by)]


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


async def run_until_killed(*arguments: str) -> bool:
    """Run `crashing_process.py` and return whether it killed itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.events.crashing_process", *arguments, cwd=ROOT
    )
    return await asyncio.wait_for(process.wait(), 20) == -signal.SIGKILL

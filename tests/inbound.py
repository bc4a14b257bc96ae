"""Events as a service receives them: for a handler alone, and delivered to all subscriptions of a service."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from nextbuy.contracts.delivery import EventEntry, Outcome, ReceiveEvents
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money, new_id
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.events.outbox import make_envelope
from nextbuy.kit.events.receiver import Receiver
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Service
from nextbuy.kit.storage.database import Database, Row, Transaction
from tests.waiting import all_wait_for_a_lock, until

SHOP: Final = new_id()
_positions: Final = itertools.count(1)
_JOURNAL: Final = telemetry.Journal(os.open(os.devnull, os.O_WRONLY))

Handler = Callable[[Any, Transaction, Sequence[InboundEvent]], Awaitable[None]]


def order(units: int = 2, amount: int = 1_999) -> OrderCreated:
    """Return an order of `units` of one product at `amount` each."""
    return OrderCreated(
        order_id=new_id(),
        number="NB-1",
        session_id=new_id(),
        buyer_id=new_id(),
        shop_id=SHOP,
        total=Money(units * amount),
        lines=[PricedLine(new_id(), SHOP, "Mug", units, Money(amount))],
        seller_id=new_id(),
    )


def inbound(event: Event, at: datetime | None = None, *, position: int = 0) -> InboundEvent:
    """Return an event as its publisher has published it, now or `at` another time, at the next position by default."""
    envelope = make_envelope(event, type(event).__module__.rpartition(".")[2], telemetry.start_span())
    if at is not None:
        envelope = replace(envelope, time=at)
    return InboundEvent(event, envelope, msgspec.json.encode(envelope), position or next(_positions))


def late_on(day: date) -> datetime:
    """Return a time in the last minute of a day (UTC)."""
    return datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)


class _CountedTransaction(Transaction):
    """A transaction that counts the statements of a handler."""

    statements = 0

    async def execute(self, sql: str, *values: object) -> str:
        self.statements += 1
        return await super().execute(sql, *values)

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        self.statements += 1
        return await super().fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        self.statements += 1
        return await super().fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: object) -> Any:  # noqa: ANN401  a cell of any type
        self.statements += 1
        return await super().fetchval(sql, *values)

    async def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        self.statements += len(rows)
        await super().executemany(sql, rows)


async def handle(act: Handler, deps: Any, *events: InboundEvent) -> int:  # noqa: ANN401  each service has its own
    """Run a handler on a batch of new events in a transaction; return the number of its statements."""
    async with deps.database.transaction() as tx:
        counted = _CountedTransaction(tx._runner, tx.service)
        await act(deps, counted, list(events))
    return counted.statements


async def assert_fixed_lock_order(act: Handler, deps: Any, first: InboundEvent, last: InboundEvent) -> None:  # noqa: ANN401
    """Assert that a batch locks the rows of `first` before the rows of `last`, in whatever order it names the events.

    A batch that locked `last` while it waits for `first` would deadlock with a transaction that holds `first`.
    """
    async with deps.database.transaction() as tx:
        await act(deps, tx, [first])
        other = asyncio.create_task(handle(act, deps, last, first))
        await until(lambda: other.done() or all_wait_for_a_lock(deps.database, 1), "the batch waits for a lock")
        await act(deps, tx, [last])
    await other


class Delivery:
    """The receiver of a service, whose subscriptions also apply events from before the test."""

    def __init__(self, service: Service, deps: Any, database: Database) -> None:  # noqa: ANN401
        self._service, self._database = service, database
        self.receiver = Receiver(service, deps, database, _JOURNAL)
        self._started = False

    async def __call__(self, *events: InboundEvent) -> list[Outcome]:
        """Deliver events in one call, each to all its subscriptions, and return the outcomes in order."""
        if not self._started:
            await self._database.execute(
                "INSERT INTO subscriptions (name, begins_at) SELECT unnest($1::text[]), '-infinity'"
                " ON CONFLICT DO NOTHING",
                [one.name for one in self._service.subscriptions],
            )
            await self.receiver.start()
            self._started = True
        entries = [EventEntry(msgspec.Raw(event.body), self._subscriptions(event), event.position) for event in events]
        received = await self.receiver.receive(None, ReceiveEvents(entries=entries))
        return [result.outcome for of_entry in received.results for result in of_entry]

    def _subscriptions(self, event: InboundEvent) -> list[str]:
        return [one.name for one in self._service.subscriptions if type(event.event) in one.events]

"""What a marketplace has made of it all, when nothing is left to be done: its logs, its bus, and what was applied."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from confluent_kafka import KafkaException

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.registry import EVENTS
from nextbuy.host.composition import SERVICES
from nextbuy.kit.events.bus.interface import Bus
from tests.chaos.reconciliation import Said
from tests.chaos.stage import Stage
from tests.journeys.books import Books, books_of, undone_in, until_none
from tests.journeys.marketplace import ADMIN
from tests.journeys.people import Town

Row = dict[str, Any]
APPLIED_WITHIN: Final = 240.0
"""Seconds: what a killed process had begun is its own for a while, and the backlog of an outage is worked off."""
READ_WITHIN: Final = 120.0
_LISTENERS: Final = tuple(name for name, entry in SERVICES.items() if entry.service.listens)
_COUNTS: Final = {
    "units and cents": ("order", "SELECT product_id, sum(quantity), sum(quantity * unit_price) FROM order_lines"),
    "best sellers": ("kafka", "SELECT product_id, sum(units), sum(amount) FROM best_sellers"),
    "product views": ("kafka", "SELECT product_id, sum(bought), sum(amount) FROM product_views"),
    "units": ("order", "SELECT product_id, sum(quantity) FROM order_lines"),
    "sold": ("product", "SELECT product_id, sum(sold) FROM activity"),
    "orders and cents": ("order", "SELECT shop_id, count(*), sum(total) FROM orders"),
    "seller figures": ("kafka", "SELECT shop_id, sum(orders), sum(amount) FROM seller_figures"),
}
PUBLISHERS: Final = tuple(name for name, entry in SERVICES.items() if entry.service.publishes)


class Told(NamedTuple):
    """One notification: of which event, to whom, and of what kind."""

    event_id: UUID
    account_id: UUID
    kind: str


@dataclass(frozen=True)
class Findings:
    """What is there at the end."""

    books: Books
    written: list[Said]
    """All that the services have published, in the order of their logs."""
    arrived: list[Said]
    """All that is on the bus, in its order, as one sees it who reads it from the beginning."""
    inbox: dict[str, dict[UUID, float]]
    """By handler: when each event was applied."""
    figures: list[Row]
    """By topic: how many events, units and cents were counted."""
    counts: dict[str, list[tuple[object, ...]]]
    """What was sold of each product and in each shop, by the order service and by all that counts it."""
    told: list[Told]
    """What buyers and sellers were told, on their page."""
    mailed: list[Told]
    """And by mail."""
    differences: list[Row]
    """What is stored of sessions and orders otherwise than their events tell, as the shop itself finds."""
    dead_letters: list[Row]
    waiting: int
    """Events that are in an outbox still."""

    def of(self, *topics: str) -> list[Said]:
        """What was written of some topics."""
        return [event for event in self.written if event.topic in topics]


async def all_applied(stage: Stage) -> None:
    """Return when every event has been carried, and the kafka service is done with it."""

    async def left() -> Row:
        try:
            found = {"in outboxes": await _waiting(stage), "on the bus": await stage.broker.behind()}
        except KafkaException as error:  # it has come back, and does not know yet how far each group is
            return {"on the bus": error}
        return {what: n for what, n in found.items() if n}

    await until_none(left, "everything is applied", within=APPLIED_WITHIN)


async def at_rest(stage: Stage) -> None:
    """Return when nobody has anything left to do, and everything is applied."""
    await until_none(lambda: undone_in(stage.market), "all work is done", within=APPLIED_WITHIN)
    await all_applied(stage)


async def look(stage: Stage, town: Town) -> Findings:
    """See what there is; `at_rest` comes before it."""
    market = stage.market
    written = [event for name in PUBLISHERS for event in await _log(stage, name)]
    inbox: defaultdict[str, dict[UUID, float]] = defaultdict(dict)
    for row in await market.rows("kafka", "SELECT handler, event_id, extract(epoch FROM at)::float8 AS at FROM inbox"):
        inbox[row["handler"]][row["event_id"]] = row["at"]
    return Findings(
        books=await books_of(market),
        written=written,
        arrived=await _read(stage.broker.bus(), {event.id for event in written}),
        inbox=inbox,
        figures=await market.rows(
            "kafka",
            "SELECT topic, sum(events)::bigint AS events, sum(units)::bigint AS units, sum(amount)::bigint AS amount"
            " FROM daily_figures GROUP BY topic",
        ),
        counts={name: await _counts(stage, *what) for name, what in _COUNTS.items()},
        told=await _told(stage, "notifications"),
        mailed=await _told(stage, "mails"),
        differences=await town.items("/order/api/verify-history", await town.login(ADMIN)),
        dead_letters=[row for name in _LISTENERS for row in await market.rows(name, "SELECT * FROM dead_letters")],
        waiting=await _waiting(stage),
    )


async def _waiting(stage: Stage) -> int:
    found = [await stage.market.rows(name, "SELECT count(*) AS n FROM outbox") for name in PUBLISHERS]
    return sum(rows[0]["n"] for rows in found)


async def _told(stage: Stage, table: str) -> list[Told]:
    rows = await stage.market.rows("kafka", f"SELECT source_event_id, account_id, kind FROM {table}")
    return [Told(*row.values()) for row in rows]


async def _counts(stage: Stage, service: str, query: str) -> list[tuple[object, ...]]:
    async with stage.market.database(service) as connection:
        rows = [tuple(row) for row in await connection.fetch(f"{query} GROUP BY 1 ORDER BY 1")]
    return [row for row in rows if row[1]]


async def _log(stage: Stage, service: str) -> list[Said]:
    rows = await stage.market.rows(service, "SELECT topic, key, event_id FROM event_log ORDER BY id")
    return [Said(row["topic"], row["key"], row["event_id"]) for row in rows]


async def _read(bus: Bus, ids: set[UUID]) -> list[Said]:
    """Read all topics from their beginning, until all of these have come or no more does."""
    subscription = bus.subscribe("reckoning", [event.topic for event in EVENTS], most=1_000)
    read: list[Said] = []
    missing = set(ids)
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_WITHIN):
            async for batch in subscription.batches():
                for delivery in batch.deliveries:
                    envelope = msgspec.json.decode(delivery.body, type=Envelope)
                    read.append(Said(batch.topic, envelope.key, envelope.id))
                missing -= {event.id for event in read[-len(batch.deliveries) :]}
                await batch.acknowledge()
                if not missing:
                    break
    await subscription.close()
    await bus.close()
    return read

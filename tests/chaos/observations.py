"""Everything that can be observed of a marketplace at rest: event logs, bus, inboxes and effects."""

import asyncio
from collections import defaultdict
from collections.abc import Collection
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
from tests.chaos.cluster import Cluster
from tests.chaos.reconciliation import EventRef
from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import ADMIN
from tests.journeys.snapshot import Snapshot, pending_work, take_snapshot, wait_until_empty

Row = dict[str, Any]
APPLIED_WITHIN: Final = 240.0
"""Seconds. Leases of killed processes have to pass, and the backlog of an outage is processed."""
READ_WITHIN: Final = 120.0
COMPARED_WITHIN: Final = 300.0
"""Seconds. A comparison begins each minute, leaves out the events of the last one, and waits for topics that lag."""
SUBSCRIBERS: Final = tuple(name for name, entry in SERVICES.items() if entry.service.subscriptions)
_COUNTS: Final = {
    "units and cents": ("order", "SELECT product_id, sum(quantity), sum(quantity * unit_price) FROM order_lines"),
    "best sellers": ("analytics", "SELECT product_id, sum(units), sum(amount) FROM best_sellers"),
    "product views": ("analytics", "SELECT product_id, sum(bought), sum(amount) FROM product_views"),
    "units": ("order", "SELECT product_id, sum(quantity) FROM order_lines"),
    "sold": ("product", "SELECT product_id, sum(sold) FROM activity"),
    "orders and cents": ("order", "SELECT shop_id, count(*), sum(total) FROM orders"),
    "seller figures": ("analytics", "SELECT shop_id, sum(orders), sum(amount) FROM seller_figures"),
}
_LAST_OF_TOPIC: Final = "SELECT DISTINCT ON (topic) topic, event_id FROM event_log ORDER BY topic, id DESC"
PUBLISHERS: Final = tuple(name for name, entry in SERVICES.items() if entry.service.publishes)


class NotificationRef(NamedTuple):
    """One notification or mail: event, account and kind."""

    event_id: UUID
    account_id: UUID
    kind: str


@dataclass(frozen=True)
class Observations:
    """The state of a marketplace at rest."""

    snapshot: Snapshot
    written: list[EventRef]
    """All published events, in log order."""
    arrived: list[EventRef]
    """All events on the bus, read from its beginning."""
    inbox: dict[str, dict[UUID, float]]
    """By inbox: the time at which each event was applied."""
    figures: list[Row]
    """By topic: counted events, units and cents."""
    counts: dict[str, list[tuple[object, ...]]]
    """Sales per product and shop, from the order service and from each projection."""
    notified: list[NotificationRef]
    """Notifications of buyers and sellers."""
    mailed: list[NotificationRef]
    """Mails to buyers and sellers."""
    differences: list[Row]
    """Differences between rows and events, from `verify-history`."""
    dead_letters: list[Row]
    findings: list[Row]
    """Findings of the comparisons of event logs with inboxes."""
    waiting: int
    """Events that still wait in an outbox."""

    def of(self, *topics: str) -> list[EventRef]:
        """Return the published events of some topics."""
        return [event for event in self.written if event.topic in topics]


async def all_applied(cluster: Cluster) -> None:
    """Wait until every event is published and processed by the kafka service."""

    async def left() -> Row:
        try:
            found = {"in outboxes": await pending_events(cluster), "on the bus": await cluster.broker.backlog()}
        except KafkaException as error:  # a restarted broker does not know the offsets of its groups yet
            return {"on the bus": error}
        return {what: n for what, n in found.items() if n}

    await wait_until_empty(left, "everything is applied", timeout=APPLIED_WITHIN)


async def at_rest(cluster: Cluster) -> None:
    """Wait until no work is pending and every event is applied."""
    await wait_until_empty(lambda: pending_work(cluster.market), "all work is done", timeout=APPLIED_WITHIN)
    await all_applied(cluster)


async def all_compared(cluster: Cluster) -> None:
    """Wait until the comparison of event logs with inboxes has passed every event; call `at_rest` first."""
    await wait_until_empty(lambda: _not_compared(cluster), "every event is compared", timeout=COMPARED_WITHIN)


async def observe(cluster: Cluster, client: JourneyClient, stored: Collection[UUID] | None = None) -> Observations:
    """Read the observations; call `at_rest` first. `stored` are the events on the bus, if it has lost some."""
    market = cluster.market
    written = await written_events(cluster)
    return Observations(
        snapshot=await take_snapshot(market),
        written=written,
        arrived=await _read(cluster.broker.bus(), {event.id for event in written} if stored is None else {*stored}),
        inbox=await applied_events(cluster),
        figures=await market.rows(
            "analytics",
            "SELECT topic, sum(events)::bigint AS events, sum(units)::bigint AS units, sum(amount)::bigint AS amount"
            " FROM daily_figures GROUP BY topic",
        ),
        counts={name: await _counts(cluster, *what) for name, what in _COUNTS.items()},
        notified=await _notifications(cluster, "notifications"),
        mailed=await _notifications(cluster, "mails"),
        differences=await client.list_all("/order/api/verify-history", await client.login(ADMIN)),
        dead_letters=await market.rows("kafka", "SELECT * FROM dead_letters"),
        findings=await market.rows("kafka", "SELECT * FROM comparison_findings"),
        waiting=await pending_events(cluster),
    )


async def written_events(cluster: Cluster) -> list[EventRef]:
    """Return all published events, in log order."""
    return [event for name in PUBLISHERS for event in await _log(cluster, name)]


async def applied_events(cluster: Cluster) -> dict[str, dict[UUID, float]]:
    """Return by inbox the time at which each event was applied."""
    inbox: defaultdict[str, dict[UUID, float]] = defaultdict(dict)
    query = "SELECT subscription, event_id, extract(epoch FROM at)::float8 AS at FROM inbox"
    for name in SUBSCRIBERS:
        for row in await cluster.market.rows(name, query):
            inbox[row["subscription"]][row["event_id"]] = row["at"]
    return inbox


async def pending_events(cluster: Cluster) -> int:
    """Return the number of events that wait in outboxes."""
    found = [await cluster.market.rows(name, "SELECT count(*) AS n FROM outbox") for name in PUBLISHERS]
    return sum(rows[0]["n"] for rows in found)


async def _not_compared(cluster: Cluster) -> Row:
    """Return the last event of each subscription and topic that the comparison has not reached."""
    last: dict[str, UUID] = {}
    for name in PUBLISHERS:
        for row in await cluster.market.rows(name, _LAST_OF_TOPIC):
            last[row["topic"]] = row["event_id"]
    left: Row = {}
    for name in SUBSCRIBERS:
        rows = await cluster.market.rows(name, "SELECT subscription, topic, event_id FROM compared_positions")
        reached = {(row["subscription"], row["topic"]): row["event_id"] for row in rows}
        for subscription in SERVICES[name].service.subscriptions:
            for topic in last.keys() & {event.topic for event in subscription.events}:
                if reached.get((subscription.name, topic)) != last[topic]:
                    left[f"{topic} for {subscription.name}"] = last[topic]
    return left


async def _notifications(cluster: Cluster, table: str) -> list[NotificationRef]:
    rows = await cluster.market.rows("notification", f"SELECT source_event_id, account_id, kind FROM {table}")
    return [NotificationRef(*row.values()) for row in rows]


async def _counts(cluster: Cluster, service: str, query: str) -> list[tuple[object, ...]]:
    async with cluster.market.database(service) as connection:
        rows = [tuple(row) for row in await connection.fetch(f"{query} GROUP BY 1 ORDER BY 1")]
    return [row for row in rows if row[1]]


async def _log(cluster: Cluster, service: str) -> list[EventRef]:
    rows = await cluster.market.rows(service, "SELECT topic, key, event_id FROM event_log ORDER BY id")
    return [EventRef(row["topic"], row["key"], row["event_id"]) for row in rows]


async def _read(bus: Bus, ids: set[UUID]) -> list[EventRef]:
    """Read all topics from the beginning until all `ids` are found or the time is over."""
    subscription = bus.subscribe("reconciliation", [event.topic for event in EVENTS], batch_size=1_000)
    read: list[EventRef] = []
    missing = set(ids)
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_WITHIN):
            async for batch in subscription.batches():
                for delivery in batch.deliveries:
                    envelope = msgspec.json.decode(delivery.body, type=Envelope)
                    read.append(EventRef(batch.topic, envelope.key, envelope.id))
                missing -= {event.id for event in read[-len(batch.deliveries) :]}
                await batch.acknowledge()
                if not missing:
                    break
    await subscription.close()
    await bus.close()
    return read

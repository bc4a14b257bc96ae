"""Event logs written and read for real, and a bus that brings what was committed: late, twice, in any batch."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient, ReadAuthEvents, ValidateAdmin
from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderClient, OrderCreated, OrderPaid, ReadOrderEvents
from nextbuy.contracts.product import PricedLine, ProductAddedToBasket, ProductClient, ProductViewed, ReadProductEvents
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import ReadSellerEvents, SellerClient, SellerRegistered
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kafka.best_sellers_cache import BestSellersCache
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.projection import publisher
from nextbuy.kafka.projections.rebuild_projections import rebuild_projections
from nextbuy.kafka.service import SERVICE
from nextbuy.kafka.store import rebuilds
from nextbuy.kit.events.event_log import read_events
from nextbuy.kit.events.handling import Handling
from nextbuy.kit.events.inbound import EventDecoder
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.events.retry_policy import RetryPolicy
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.callers import account
from tests.doubles import StubCalls
from tests.outbox import published

TABLES = {
    "daily-figures": ("daily_figures", "day, topic, shop_id, events, units, amount"),
    "product-views": ("product_views", "product_id, hour, shop_id, viewed, added, bought, amount"),
    "best-sellers": ("best_sellers", "day, product_id, shop_id, units, amount, orders"),
    "seller-figures": ("seller_figures", "shop_id, day, orders, units, amount, views"),
}
Rows = dict[tuple[object, ...], tuple[int, ...]]
_decoder = EventDecoder(EVENTS)


class _Log(Struct, frozen=True):
    database: Database


class Logs:
    """Four services that publish, and the kafka service."""

    def __init__(self, database: Database, publishers: Mapping[str, Database], redis: Redis, journal: Journal) -> None:
        self.database, self.publishers = database, publishers
        calls = {"auth": ReadAuthEvents, "seller": ReadSellerEvents, "product": ReadProductEvents}
        self.calls = StubCalls({ValidateAdmin: account(Role.ADMIN)})
        for name, call in {**calls, "order": ReadOrderEvents}.items():
            self.calls.replies[call] = self._answer(publishers[name])
        self.kafka = Deps(
            auth=AuthClient(self.calls),
            admin=AdminClient(self.calls),
            product=ProductClient(self.calls),
            seller=SellerClient(self.calls),
            order=OrderClient(self.calls),
            database=database,
            interactions=Interactions(redis),
            best=BestSellersCache(),
        )
        self.shops = [(new_id(), new_id()) for _ in range(3)]
        """Sellers, and their shops."""
        self.products = [(new_id(), self.shops[n % 3]) for n in range(6)]
        self.bus: list[Envelope] = []
        retry_policy = RetryPolicy(asyncio.Event())
        self._handlings = [
            Handling(one, self.kafka, database, journal, retry_policy) for one in SERVICE.listens if one.way == "batch"
        ]

    @staticmethod
    def _answer(database: Database) -> Callable[[Any], Any]:
        return lambda call: read_events(_Log(database), call)

    async def write(self, *events: Event, pause: float = 0.0) -> None:
        """Publish, in a transaction that stays open for a while; what is committed is on the bus."""
        for name, database in self.publishers.items():
            own = [event for event in events if publisher(type(event)) == name]
            if not own:
                continue
            async with database.transaction() as tx:
                ids = await publish(tx, *own)
                await asyncio.sleep(pause)
            rows = await database.fetch("SELECT envelope FROM event_log WHERE event_id = ANY($1)", ids)
            self.bus += [msgspec.json.decode(row["envelope"], type=Envelope) for row in rows]

    async def deliver(self, envelopes: list[Envelope]) -> None:
        """Bring events to all who listen in batches, topic by topic."""
        for topic in {envelope.type for envelope in envelopes}:
            items = [_decoder.decode(topic, msgspec.json.encode(one)) for one in envelopes if one.type == topic]
            for handling in self._handlings:
                if any(event.topic == topic for event in handling.listening.events):
                    await handling.handle(items)

    async def deliver_all(self) -> None:
        """Bring what is on the bus."""
        envelopes, self.bus = self.bus, []
        await self.deliver(envelopes)

    def some_event(self, dice: random.Random) -> Event:
        """Return something that happens in a shop."""
        product_id, (seller_id, shop_id) = dice.choice(self.products)
        hour = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=dice.randrange(50))
        match dice.randrange(6):
            case 0 | 1:
                return ProductViewed(
                    product_id=product_id, shop_id=shop_id, seller_id=seller_id, views=dice.randrange(1, 9), hour=hour
                )
            case 2:
                return ProductAddedToBasket(
                    product_id=product_id, shop_id=shop_id, seller_id=seller_id, times=dice.randrange(1, 9), hour=hour
                )
            case 3:
                return OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=shop_id, total=Money(5))
            case 4:
                seller_id, shop_id = dice.choice(self.shops)
                return SellerRegistered(
                    shop_id=shop_id, user_id=seller_id, shop_name="Kiln", status="pending", shop_version=1
                )
            case _:
                of_shop = [product for product, owner in self.products if owner[1] == shop_id]
                return order_of(shop_id, *((one, dice.randrange(1, 4)) for one in dice.choices(of_shop, k=3)))

    async def rebuilt(self, name: str) -> rebuilds.Rebuild:
        """Do all that there is to do, and return the last rebuild of a projection."""
        while await rebuild_projections(self.kafka):
            pass
        return (await rebuilds.latest(self.database))[name]

    async def live(self, name: str) -> Rows:
        """Return the rows that are read of a projection: those that tell apart, and the numbers."""
        table, columns = TABLES[name]
        rows = await self.database.fetch(
            f"SELECT {columns} FROM {table} WHERE generation ="
            f" (SELECT generation FROM projections WHERE name = '{name}')"
        )
        return {tuple(row.values())[: -_NUMBERS[name]]: tuple(row.values())[-_NUMBERS[name] :] for row in rows}

    async def computed(self, name: str) -> Rows:
        """Return what these rows must be, counted afresh from the logs."""
        sums: dict[tuple[object, ...], Counter[int]] = {}
        for database in self.publishers.values():
            for envelope in await published(database):
                for key, numbers in _counted(name, envelope):
                    sums.setdefault(key, Counter()).update(dict(enumerate(numbers)))
        return {key: tuple(counter[n] for n in range(_NUMBERS[name])) for key, counter in sums.items()}

    async def rests(self, name: str) -> int:
        """Return how much is left of generations that are not read."""
        table, _ = TABLES[name]
        rows: int = await self.database.fetchval(
            f"""
            SELECT (SELECT count(*) FROM {table} WHERE generation <> p.generation)
                 + (SELECT count(*) FROM projection_counts c WHERE c.name = p.name AND c.generation <> p.generation)
                 + (SELECT count(*) FROM inbox WHERE handler LIKE p.name || '/%'
                                                 AND handler <> p.name || '/' || p.generation)
              FROM projections p WHERE p.name = $1
            """,
            name,
        )
        return rows


_NUMBERS = {"daily-figures": 3, "product-views": 4, "best-sellers": 3, "seller-figures": 4}


def order_of(shop_id: UUID, *lines: tuple[UUID, int]) -> OrderCreated:
    """Return an order of some units of products."""
    priced = [PricedLine(product_id, shop_id, "Mug", quantity, Money(250)) for product_id, quantity in lines]
    return OrderCreated(
        order_id=new_id(),
        number="NB-1",
        session_id=new_id(),
        buyer_id=new_id(),
        shop_id=shop_id,
        total=Money(250 * sum(quantity for _, quantity in lines)),
        lines=priced,
    )


def _counted(name: str, envelope: Envelope) -> list[tuple[tuple[object, ...], tuple[int, ...]]]:
    said = msgspec.json.decode(bytes(envelope.data))
    shop = UUID(said["shop_id"])
    hour = (
        datetime.fromisoformat(said["hour"])
        if "hour" in said
        else envelope.time.replace(minute=0, second=0, microsecond=0)
    )
    seen, added = said.get("views", 0), said.get("times", 0)
    lines = [(UUID(one["product_id"]), one["quantity"], one["quantity"] * 250) for one in said.get("lines", [])]
    units = sum(quantity for _, quantity, _ in lines)
    match name:
        case "daily-figures":
            return [((envelope.time.date(), envelope.type, shop), (1, units + seen + added, units * 250))]
        case "product-views" if seen or added:
            return [((UUID(said["product_id"]), hour, shop), (seen, added, 0, 0))]
        case "product-views":
            return [((product, hour, shop), (0, 0, n, amount)) for product, n, amount in lines]
        case "best-sellers":
            day = hour.date()
            once = [((day, product, shop), (0, 0, 1)) for product in {product for product, _, _ in lines}]
            return [*(((day, product, shop), (n, amount, 0)) for product, n, amount in lines), *once]
        case _ if seen or lines:
            return [((shop, hour.date()), (bool(lines), units, units * 250, seen))]
    return []

"""Real event logs, and a fake bus that delivers committed events late, twice and in any batch."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.analytics.best_sellers_cache import BestSellersCache
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.projection import publisher_of
from nextbuy.analytics.rebuild_projections import rebuild_projections
from nextbuy.analytics.service import SERVICE
from nextbuy.analytics.store import rebuilds
from nextbuy.contracts.auth import AuthClient, ReadAuthEvents, ValidateAdmin
from nextbuy.contracts.delivery import Outcome
from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderClient, OrderCreated, OrderPaid, ReadOrderEvents
from nextbuy.contracts.product import (
    PricedLine,
    ProductAddedToBasket,
    ProductClient,
    ProductViewed,
    ReadProductEvents,
)
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import ReadSellerEvents, SellerClient, SellerRegistered
from nextbuy.contracts.values import Money, new_id
from nextbuy.kit.events.event_log import read_events
from nextbuy.kit.events.inbound import EventDecoder, InboundEvent
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database
from tests.callers import confirm
from tests.doubles import StubCalls
from tests.inbound import Delivery
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


class ProjectionHarness:
    """Four publishing services, and the projections of analytics."""

    def __init__(self, database: Database, publishers: Mapping[str, Database]) -> None:
        self.database, self.publishers = database, publishers
        calls = {"auth": ReadAuthEvents, "seller": ReadSellerEvents, "product": ReadProductEvents}
        self.calls = StubCalls({ValidateAdmin: confirm})
        for name, call in {**calls, "order": ReadOrderEvents}.items():
            self.calls.replies[call] = self._read_events(publishers[name])
        self.deps = Deps(
            auth=AuthClient(self.calls),
            product=ProductClient(self.calls),
            seller=SellerClient(self.calls),
            order=OrderClient(self.calls),
            database=database,
            best_sellers=BestSellersCache(SharedCache(None, "")),
        )
        self.shops = [(new_id(), new_id()) for _ in range(3)]
        """Ids of sellers and their shops."""
        self.products = [(new_id(), self.shops[n % 3]) for n in range(6)]
        self.bus: list[Envelope] = []
        self.delivery = Delivery(SERVICE, self.deps, database)

    @staticmethod
    def _read_events(database: Database) -> Callable[[Any], Any]:
        return lambda call: read_events(_Log(database), call)

    async def write(self, *events: Event, pause: float = 0.0) -> None:
        """Publish events in a transaction that stays open for `pause` seconds, and put them on the bus."""
        for name, database in self.publishers.items():
            own = [event for event in events if publisher_of(type(event)) == name]
            if not own:
                continue
            async with database.transaction() as tx:
                ids = await publish(tx, *own)
                await asyncio.sleep(pause)
            rows = await database.fetch("SELECT envelope FROM event_log WHERE event_id = ANY($1)", ids)
            self.bus += [msgspec.json.decode(row["envelope"], type=Envelope) for row in rows]

    async def deliver(self, envelopes: list[Envelope]) -> list[Outcome]:
        """Deliver events in one call, each to all projections that it belongs to, and return the outcomes."""
        return await self.delivery(*(inbound_of(one) for one in envelopes))

    async def deliver_all(self) -> None:
        """Deliver all events on the bus."""
        envelopes, self.bus = self.bus, []
        await self.deliver(envelopes)

    def random_event(self, rng: random.Random) -> Event:
        """Return a random event of a shop."""
        product_id, (seller_id, shop_id) = rng.choice(self.products)
        hour = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=rng.randrange(50))
        match rng.randrange(6):
            case 0 | 1:
                return ProductViewed(
                    product_id=product_id, shop_id=shop_id, seller_id=seller_id, views=rng.randrange(1, 9), hour=hour
                )
            case 2:
                return ProductAddedToBasket(
                    product_id=product_id, shop_id=shop_id, seller_id=seller_id, times=rng.randrange(1, 9), hour=hour
                )
            case 3:
                return OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=shop_id, total=Money(5))
            case 4:
                seller_id, shop_id = rng.choice(self.shops)
                return SellerRegistered(
                    shop_id=shop_id, user_id=seller_id, shop_name="Kiln", status="pending", shop_version=1
                )
            case _:
                of_shop = [product for product, owner in self.products if owner[1] == shop_id]
                return order_of(shop_id, *((one, rng.randrange(1, 4)) for one in rng.choices(of_shop, k=3)))

    async def finish_rebuild(self, name: str) -> rebuilds.Rebuild:
        """Work on all requested rebuilds, and return the latest of a projection."""
        while await rebuild_projections(self.deps):
            pass
        return (await rebuilds.latest(self.database))[name]

    async def live(self, name: str) -> Rows:
        """Return the current rows of a projection, the sums by their key."""
        table, columns = TABLES[name]
        rows = await self.database.fetch(
            f"SELECT {columns} FROM {table} WHERE generation ="
            f" (SELECT generation FROM projections WHERE name = '{name}')"
        )
        return {tuple(row.values())[: -_SUM_COLUMNS[name]]: tuple(row.values())[-_SUM_COLUMNS[name] :] for row in rows}

    async def computed(self, name: str) -> Rows:
        """Return the rows that the event logs add up to, computed independently."""
        sums: dict[tuple[object, ...], Counter[int]] = {}
        for database in self.publishers.values():
            for envelope in await published(database):
                for key, numbers in _expected(name, envelope):
                    sums.setdefault(key, Counter()).update(dict(enumerate(numbers)))
        return {key: tuple(counter[n] for n in range(_SUM_COLUMNS[name])) for key, counter in sums.items()}

    async def obsolete_rows(self, name: str) -> int:
        """Return the number of rows that other generations than the current one have left."""
        table, _ = TABLES[name]
        rows: int = await self.database.fetchval(
            f"""
            SELECT (SELECT count(*) FROM {table} WHERE generation <> p.generation)
                 + (SELECT count(*) FROM projection_counts c WHERE c.name = p.name AND c.generation <> p.generation)
                 + (SELECT count(*) FROM inbox WHERE subscription LIKE p.name || '/%'
                                                 AND subscription <> p.name || '/' || p.generation)
              FROM projections p WHERE p.name = $1
            """,
            name,
        )
        return rows


_SUM_COLUMNS = {"daily-figures": 3, "product-views": 4, "best-sellers": 3, "seller-figures": 4}


def inbound_of(envelope: Envelope) -> InboundEvent:
    """Return a published event as a handler gets it; projections do not use its position."""
    return _decoder.event(envelope, msgspec.json.encode(envelope), 1)


def order_of(shop_id: UUID, *lines: tuple[UUID, int]) -> OrderCreated:
    """Return an order of products with their quantities."""
    priced = [PricedLine(product_id, shop_id, "Mug", quantity, Money(250)) for product_id, quantity in lines]
    return OrderCreated(
        order_id=new_id(),
        number="NB-1",
        session_id=new_id(),
        buyer_id=new_id(),
        shop_id=shop_id,
        total=Money(250 * sum(quantity for _, quantity in lines)),
        lines=priced,
        seller_id=new_id(),
    )


def _expected(name: str, envelope: Envelope) -> list[tuple[tuple[object, ...], tuple[int, ...]]]:
    data = msgspec.json.decode(bytes(envelope.data))
    shop = UUID(data["shop_id"])
    hour = (
        datetime.fromisoformat(data["hour"])
        if "hour" in data
        else envelope.time.replace(minute=0, second=0, microsecond=0)
    )
    viewed, added = data.get("views", 0), data.get("times", 0)
    lines = [(UUID(one["product_id"]), one["quantity"], one["quantity"] * 250) for one in data.get("lines", [])]
    units = sum(quantity for _, quantity, _ in lines)
    match name:
        case "daily-figures":
            return [((envelope.time.date(), envelope.type, shop), (1, units + viewed + added, units * 250))]
        case "product-views" if viewed or added:
            return [((UUID(data["product_id"]), hour, shop), (viewed, added, 0, 0))]
        case "product-views":
            return [((product, hour, shop), (0, 0, n, amount)) for product, n, amount in lines]
        case "best-sellers":
            day = hour.date()
            once = [((day, product, shop), (0, 0, 1)) for product in {product for product, _, _ in lines}]
            return [*(((day, product, shop), (n, amount, 0)) for product, n, amount in lines), *once]
        case _ if viewed or lines:
            return [((shop, hour.date()), (bool(lines), units, units * 250, viewed))]
    return []

"""Projections are rebuilt under load while the rebuilding service is killed."""

import asyncio
import getpass
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.outbox import bucket_of, make_envelope
from nextbuy.kit.observability import telemetry
from tests.journeys.journey_client import JourneyClient, Json
from tests.journeys.load import BuyerLoad
from tests.journeys.marketplace import Bus, Marketplace, StartMarketplace, Topology, on_kafka
from tests.journeys.test_events import CommandResult, events
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)
PAST = 10_000
"""Views that are only in product's event log; the projections lack them until they are rebuilt."""
KILLED_AFTER = 2_000
"""Events. A batch has a thousand."""
TIMEOUT = 60.0
VIEWS = ("product_views", "product_id::text, hour", "viewed, added, bought, amount")
FIGURES = ("seller_figures", "shop_id::text, day", "orders, units, amount, views")
Sums = dict[tuple[Any, ...], tuple[int, ...]]


async def write_past_views(market: Marketplace, products: Sequence[Json]) -> None:
    """Write views of these products, and of many deleted ones, over the past weeks into the event log."""
    dice = random.Random(5)  # noqa: S311  shuffles a test
    goods = [(UUID(one["id"]), UUID(one["shop_id"])) for one in products]
    goods += [(new_id(), shop) for _, shop in goods for _ in range(50)]
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = []
    for _ in range(PAST):
        product_id, shop_id = dice.choice(goods)
        hour = this_hour - timedelta(hours=dice.randrange(1, 500))
        views = dice.randrange(1, 9)
        event = ProductViewed(product_id=product_id, shop_id=shop_id, seller_id=new_id(), views=views, hour=hour)
        envelope = make_envelope(event, "product", telemetry.start_span())
        body = msgspec.json.encode(envelope).decode()
        rows.append((envelope.id, event.topic, envelope.key, bucket_of(envelope.key), "0" * 16, body))
    columns = ["event_id", "topic", "key", "bucket", "parent_span", "envelope"]
    async with market.database("product") as product:
        await product.copy_records_to_table("event_log", records=rows, columns=columns)


async def logged(market: Marketplace) -> list[Json]:
    """Return all envelopes in the event logs of product and order."""
    topics = [event.topic for event in (ProductViewed, ProductAddedToBasket, OrderCreated)]
    query = "SELECT envelope FROM event_log WHERE topic = ANY($1) ORDER BY id"
    found = [row for service in ("product", "order") for row in await market.rows(service, query, topics)]
    return [json.loads(row["envelope"]) for row in found]


def counted(envelopes: Sequence[Json]) -> tuple[Sums, Sums]:
    """Return the expected product views and seller figures of these events."""
    views: dict[tuple[Any, ...], Counter[str]] = {}
    figures: dict[tuple[Any, ...], Counter[str]] = {}
    for envelope in envelopes:
        data = envelope["data"]
        at = datetime.fromisoformat(data.get("hour", envelope["time"])).replace(minute=0, second=0, microsecond=0)
        shop = figures.setdefault((data["shop_id"], at.date()), Counter())
        for line in data.get("lines", [data]):
            units, seen = line.get("quantity", 0), line.get("views", 0)
            amount = units * line["unit_price"]["amount"] if units else 0
            views.setdefault((line["product_id"], at), Counter()).update(
                viewed=seen, added=line.get("times", 0), bought=units, amount=amount
            )
            shop.update(units=units, amount=amount, views=seen)
        shop.update(orders="lines" in data)
    return _sums(views, VIEWS), {key: row for key, row in _sums(figures, FIGURES).items() if any(row)}


def _sums(found: dict[tuple[Any, ...], Counter[str]], table: tuple[str, str, str]) -> Sums:
    return {key: tuple(row[name] for name in table[2].split(", ")) for key, row in found.items()}


async def live(market: Marketplace, name: str, table: tuple[str, str, str]) -> Sums:
    """Return the rows of the generation that readers see."""
    source, keys, numbers = table
    rows = await market.rows(
        "analytics",
        f"SELECT {keys}, {numbers} FROM {source}"
        " WHERE generation = (SELECT generation FROM projections WHERE name = $1)",
        name,
    )
    count = len(numbers.split(", "))
    return {tuple(row.values())[:-count]: tuple(row.values())[-count:] for row in rows}


@asynccontextmanager
async def views_and_purchases(client: JourneyClient, products: Sequence[Json]) -> AsyncIterator[Counter[str]]:
    """Record views and buy for the duration of the context; yields the views that were accepted."""
    accepted: Counter[str] = Counter()
    leaving = asyncio.Event()

    async def look() -> None:
        while not leaving.is_set():
            product_id = random.choice(products)["id"]  # noqa: S311  people look at anything
            items = [{"product_id": product_id, "action": "viewed"}]
            response = await client.request("POST", "/product/api/report-activity", {"items": items})
            accepted[product_id] += response.status == 202

    buyers = [await client.new_buyer() for _ in range(2)]
    async with BuyerLoad(client, buyers, products) as load:
        looking = asyncio.create_task(look())
        yield accepted
        leaving.set()
        await looking
    assert load.paid


async def rebuilding(analytics: "asyncpg.Connection[asyncpg.Record]", name: str) -> Json:
    """Return state and progress of the last rebuild of a projection."""
    query = "SELECT state, events FROM rebuilds WHERE name = $1 ORDER BY requested_at DESC LIMIT 1"
    return dict(await analytics.fetchrow(query, name) or {"state": "", "events": 0})


async def rebuild_with_kill(market: Marketplace) -> CommandResult:
    """Run `nextbuy events rebuild product-views`, kill the service in the middle, and return the result."""
    name, victim = "product-views", market.service("analytics")
    async with market.database("analytics") as analytics:
        asked = asyncio.create_task(events(market, "rebuild", name))

        async def in_the_middle() -> bool:
            assert not asked.done(), asked.result()
            return bool((await rebuilding(analytics, name))["events"] >= KILLED_AFTER)

        await until(in_the_middle, "part of the log is read", timeout=TIMEOUT)
        victim.kill()
        left = await rebuilding(analytics, name)
        assert left["state"] == "reading"
        assert left["events"] < PAST
        # However slow this machine is, the rebuild does not continue before a second one is refused.
        await analytics.execute("UPDATE rebuilds SET due_at = now() + interval '1 hour' WHERE due_at IS NOT NULL")
        again = await events(market, "rebuild", name)
        await analytics.execute("UPDATE rebuilds SET due_at = now() WHERE due_at IS NOT NULL")
    assert (again.code, again.out) == (1, "")
    assert again.err.splitlines() == ["nextbuy: product-views is already being rebuilt. Wait until the rebuild ends."]
    done = await asked
    assert market.service("analytics").pid != victim.pid
    return done


@pytest.mark.chaos
@pytest.mark.parametrize("bus", [Bus.REDIS, Bus.KAFKA])
async def test_rebuild_under_load_survives_kill_of_its_service(
    start_marketplace: StartMarketplace, request: pytest.FixtureRequest, bus: Bus
) -> None:
    market = start_marketplace(
        Topology.MANY, **(on_kafka(request.getfixturevalue("kafka_servers")) if bus is Bus.KAFKA else {})
    )
    async with JourneyClient.connect(market) as client:
        products = [await client.new_product(stock=100_000) for _ in range(3)]
        await write_past_views(market, products)
        async with views_and_purchases(client, products) as accepted:
            views = await rebuild_with_kill(market)
            figures = await events(market, "rebuild", "seller-figures")
        for name, done in (("product-views", views), ("seller-figures", figures)):
            assert done.code == 0, done
            assert f"Rebuilt {name}: generation 2, " in done.out

        envelopes: list[Json] = []

        async def is_all_counted() -> bool:
            envelopes[:] = await logged(market)
            of_products, of_sellers = counted(envelopes)
            return (
                await live(market, "product-views", VIEWS) == of_products
                and {key: row for key, row in (await live(market, "seller-figures", FIGURES)).items() if any(row)}
                == of_sellers
                and sum(one["data"].get("views", 0) for one in envelopes[PAST:]) == accepted.total()
            )

        await until(is_all_counted, "the projections equal the sums of the logs", timeout=TIMEOUT)

        async def is_done() -> bool:
            shown = (await events(market, "projections")).out
            return shown.count("last rebuild: done, ") == 2 and shown.count("never rebuilt") == 2

        await until(is_done, "the rebuilds are shown as done", timeout=TIMEOUT)
        audit = (await events(market, "audit", "--service", "analytics")).out.splitlines()
        mine = f"terminal:{getpass.getuser()}"
        assert [line.split("  ")[1:4] for line in audit] == [
            [mine, "rebuild", "seller-figures"],
            [mine, "rebuild", "product-views"],
        ]

"""Every event delivered three times, in shuffled batches, has the same effect as one delivery in order."""

import enum
import random
import typing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest
from redis.asyncio import Redis

import nextbuy.admin.deps
import nextbuy.analytics.deps
import nextbuy.notification.deps
import nextbuy.product.deps
from nextbuy.admin.drafts import NEW_PRODUCTS
from nextbuy.analytics.best_sellers_cache import BestSellersCache
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import PricedLine, ProductClient
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import SellerClient
from nextbuy.host.composition import SERVICES
from nextbuy.kafka.delivery import dispatcher
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.http.change_streams import ChangeStreams
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database
from nextbuy.notification.mailer import StoredMailer
from nextbuy.product.activity_buffer import ActivityBuffer
from nextbuy.product.counters_cache import CountersCache
from nextbuy.product.product_cache import ProductCache
from nextbuy.product.store.changes import ChangeFeed
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.bus_probe import BusProbe, MakeProbe
from tests.kafka.delivery_harness import DeliveryHarness, SampleDestination
from tests.kafka.sample_events import EVENTS_IN_LARGE_TESTS
from tests.kit.events.sample import message
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)
EVENTS_OF_EACH = EVENTS_IN_LARGE_TESTS // 200
"""50 of every kind in `make test-chaos`."""
OWN = {"inbox", "subscriptions", "audit", "migrations", "outbox", "outbox_leases", "event_log", "idempotency_keys"}
"""Tables of the kit, whose rows depend on the order of processing."""
SUMS = {"projection_counts": "SELECT generation, name, sum(events) AS events FROM projection_counts GROUP BY 1, 2"}
"""Tables that are compared by their sums, because the rows depend on chance."""


class EventGenerator:
    """A generator of random events of any class, with few ids, so that several events share one."""

    def __init__(self) -> None:
        self._random = random.Random(random.getrandbits(64))  # noqa: S311  a history protects nothing
        self._ids = [UUID(int=self._random.getrandbits(128), version=4) for _ in range(12)]
        self._version = 0

    def event(self, kind: type[Event]) -> Event:
        event: Event = self._value(kind, "")
        return event

    def moment(self) -> datetime:
        return datetime.now(UTC) - timedelta(hours=self._random.randint(0, 72))

    def _product_of(self, shop_id: UUID) -> UUID:
        """Return a product id that belongs to one shop only."""
        return uuid5(shop_id, self._random.choice("abc"))

    def _line_of(self, shop_id: UUID, line: PricedLine) -> PricedLine:
        return msgspec.structs.replace(line, shop_id=shop_id, product_id=self._product_of(shop_id))

    def _value(self, kind: Any, name: str) -> Any:  # noqa: ANN401  a value of any type
        if name == "shop_version":
            self._version += 1  # A shop has each version once.
            return self._version
        if name == "act_id":
            return UUID(int=self._random.getrandbits(128), version=4)  # An act is published once.
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            fields = {field.name: self._value(field.type, field.name) for field in msgspec.structs.fields(kind)}
            if "shop_id" in fields and "product_id" in fields:
                fields["product_id"] = self._product_of(fields["shop_id"])
            if "shop_id" in fields and "lines" in fields:
                fields["lines"] = [self._line_of(fields["shop_id"], line) for line in fields["lines"]]
            return kind(**fields)
        if typing.get_origin(kind) is not None:
            return self._generic(kind, name)
        if isinstance(kind, enum.EnumMeta):
            return self._random.choice(list(kind))
        simple: dict[Any, Any] = {
            UUID: self._random.choice(self._ids),
            int: self._random.randint(1, 500),
            bool: True,
            str: "USD" if name == "currency" else self._random.choice("abcdef"),
            datetime: self.moment(),
            type(None): None,
        }
        return simple[kind]

    def _generic(self, kind: Any, name: str) -> Any:  # noqa: ANN401  a value of a type with parameters
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if origin is list:
            return [self._value(parts[0], name) for _ in range(self._random.randint(0, 3))]
        if origin is dict:
            return {self._value(parts[0], name): self._value(parts[1], name)}
        if origin is typing.Annotated and name == "score":
            return self._random.randint(0, 100)
        if origin is typing.Annotated:
            return self._value(parts[0], name)
        chosen = self._random.choice(parts)
        return chosen if origin is typing.Literal else self._value(chosen, name)


def history() -> list[BusMessage]:
    """Return `EVENTS_OF_EACH` events of every class, over a few days."""
    generator = EventGenerator()
    kinds = [kind for kind in EVENTS for _ in range(EVENTS_OF_EACH)]
    random.shuffle(kinds)
    return [message(generator.event(kind), time=generator.moment()) for kind in kinds]


async def open_services(
    open_database: OpenDatabase, redis: Redis, journal: Journal, probe: BusProbe
) -> DeliveryHarness:
    """Start the receivers of all services that subscribe, each on its own database, from the beginning of time."""
    names = ("admin", "product", "notification", "analytics")
    databases = {name: await open_database(name) for name in names}
    calls = StubCalls()
    auth, product, seller = AuthClient(calls), ProductClient(calls), SellerClient(calls)
    deps = {
        "admin": nextbuy.admin.deps.Deps(
            auth=auth,
            product=product,
            seller=seller,
            database=databases["admin"],
            streams=ChangeStreams(databases["admin"], ""),
        ),
        "product": nextbuy.product.deps.Deps(
            auth=auth,
            seller=seller,
            database=databases["product"],
            journal=journal,
            cache=ProductCache(SharedCache(None, "")),
            feed=ChangeFeed(databases["product"]),
            activity=ActivityBuffer(),
            counters=CountersCache(),
        ),
        "notification": nextbuy.notification.deps.Deps(
            auth=auth,
            database=databases["notification"],
            mailer=StoredMailer(),
            public_url="http://127.0.0.1",
            marketplace=Marketplace(),
            journal=journal,
            streams=ChangeStreams(databases["notification"], ""),
        ),
        "analytics": nextbuy.analytics.deps.Deps(
            auth=auth,
            product=product,
            seller=seller,
            order=OrderClient(calls),
            database=databases["analytics"],
            best_sellers=BestSellersCache(SharedCache(None, "")),
        ),
    }
    destinations = {}
    for name, database in databases.items():
        service = SERVICES[name].service
        for subscription in service.subscriptions:
            await database.execute("INSERT INTO subscriptions VALUES ($1, '-infinity')", subscription.name)
        destinations[name] = SampleDestination(service, deps[name], database, journal)
        await destinations[name].start()
    return DeliveryHarness(await open_database("kafka"), probe, journal, destinations)


async def deliver(harness: DeliveryHarness, messages: list[BusMessage]) -> dict[str, list[str]]:
    """Publish messages, wait until all are delivered everywhere, and return the contents of all tables."""
    async with harness.delivering():
        await harness.publish(*messages)
        for name in harness.destinations:
            await until(partial(harness.is_done, name), f"all events of {name} are acknowledged", timeout=60)
    await harness.bus.close()
    found = {"kafka.dead_letters": (await contents(harness.database))["dead_letters"]}
    for name, destination in harness.destinations.items():
        found |= {f"{name}.{table}": rows for table, rows in (await contents(destination.database)).items()}
    return found


async def contents(database: Database) -> dict[str, list[str]]:
    """Return the rows of every table, without generated ids and times, and without columns that depend on the order."""
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found = {}
    for table in {row["tablename"] for row in tables} - OWN:
        source = f"({SUMS[table]})" if table in SUMS else table
        generated = "{id,created_at,due_at,done_at,changed_in}"
        rows = await database.fetch(f"SELECT to_jsonb(t) - '{generated}'::text[] AS row FROM {source} AS t")
        found[table] = sorted(_without_latest(row["row"]) for row in rows)
    return found


def _without_latest(row: str) -> str:
    """Return a row without its link to the latest of the events that it counts, if it counts some."""
    fields = msgspec.json.decode(row)
    if fields.get("kind") == NEW_PRODUCTS:
        del fields["source_event_id"], fields["title"], fields["link"]
    return msgspec.json.encode(fields, order="sorted").decode()


@pytest.mark.scaled
async def test_three_deliveries_in_any_order_have_the_effect_of_one(
    open_database: OpenDatabase, redis: Redis, journal: Journal, make_probe: MakeProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small batches, so that a duplicate arrives in another batch than the first delivery.
    monkeypatch.setattr(dispatcher, "MAX_EVENTS", 10)
    messages = history()
    thrice = messages * 3
    random.shuffle(thrice)

    once = await deliver(await open_services(open_database, redis, journal, make_probe()), messages)
    often = await deliver(await open_services(open_database, redis, journal, make_probe()), thrice)

    assert often == once
    assert once["kafka.dead_letters"] == []
    assert len(once["admin.notifications"]) >= EVENTS_OF_EACH
    assert len(once["notification.notifications"]) >= EVENTS_OF_EACH
    assert len(once["product.shops"]) > 1
    assert len(once["product.activity"]) > 1
    assert len(once["analytics.daily_figures"]) > len(EVENTS)

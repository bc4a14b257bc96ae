"""Every event delivered three times, in shuffled batches, leaves what one delivery in order leaves."""

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

from nextbuy.admin.create_notification import create_notification
from nextbuy.admin.deps import Deps as AdminDeps
from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.message import Event
from nextbuy.contracts.product import PricedLine, ProductClient, RecordActivity, UpsertShop
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.events import consumer
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.product.record_activity import record_activity
from nextbuy.product.upsert_shop import upsert_shop
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.bus_probe import BusProbe, MakeProbe
from tests.kafka.sample_events import EVENTS_IN_LARGE_TESTS
from tests.kafka.service_harness import ServiceHarness as KafkaHarness
from tests.kit.events.sample import message
from tests.product.service_harness import ServiceHarness
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)
EVENTS_OF_EACH = EVENTS_IN_LARGE_TESTS // 250
"""40 of every kind in `make test-chaos`."""
OWN = {"inbox", "migrations", "outbox", "outbox_leases", "event_log", "idempotency_keys"}
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
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            fields = {field.name: self._value(field.type, field.name) for field in msgspec.structs.fields(kind)}
            if "shop_id" in fields and "product_id" in fields:
                fields["product_id"] = self._product_of(fields["shop_id"])
            if "shop_id" in fields and "lines" in fields:
                fields["lines"] = [self._line_of(fields["shop_id"], line) for line in fields["lines"]]
            return kind(**fields)
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if origin is list:
            return [self._value(parts[0], name) for _ in range(self._random.randint(0, 3))]
        if origin is typing.Annotated:
            return self._value(parts[0], name)
        if origin is not None:
            chosen = self._random.choice(parts)
            return chosen if origin is typing.Literal else self._value(chosen, name)
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


def history() -> list[BusMessage]:
    """Return `EVENTS_OF_EACH` events of every class, over a few days."""
    generator = EventGenerator()
    kinds = [kind for kind in EVENTS for _ in range(EVENTS_OF_EACH)]
    random.shuffle(kinds)
    return [message(generator.event(kind), time=generator.moment()) for kind in kinds]


class Services:
    """The kafka service and the services that it calls, each on its own database."""

    def __init__(self, databases: list[Database], redis: Redis, journal: Journal, probe: BusProbe) -> None:
        own, admin, product = databases
        service, calls = ServiceHarness(product, journal=journal), StubCalls()
        self.databases = databases
        admin_deps = AdminDeps(
            auth=AuthClient(calls), product=ProductClient(calls), seller=SellerClient(calls), database=admin
        )
        calls.replies = {
            UpsertShop: partial(upsert_shop, service.deps),
            RecordActivity: partial(record_activity, service.deps),
            CreateNotification: partial(create_notification, admin_deps),
        }
        self.harness = KafkaHarness(own, redis, calls, journal, probe)

    @classmethod
    async def open(cls, open_database: OpenDatabase, redis: Redis, journal: Journal, probe: BusProbe) -> "Services":
        databases = [await open_database(service) for service in ("kafka", "admin", "product")]
        return cls(databases, redis, journal, probe)

    async def consume(self, messages: list[BusMessage]) -> dict[str, list[str]]:
        """Publish messages, wait until all are processed, and return the contents of all tables."""
        async with self.harness.consuming():
            await self.harness.publish(messages)
            await until(self.harness.is_done, "all events are acknowledged", timeout=60)
        return {
            f"{database.service}.{table}": rows
            for database in self.databases
            for table, rows in (await contents(database)).items()
        }


async def contents(database: Database) -> dict[str, list[str]]:
    """Return the rows of every table, without generated ids and times."""
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found = {}
    for table in {row["tablename"] for row in tables} - OWN:
        source, generated = (f"({SUMS[table]})" if table in SUMS else table), "{id,created_at,due_at,changed_in}"
        rows = await database.fetch(f"SELECT to_jsonb(t) - '{generated}'::text[] AS row FROM {source} AS t")
        found[table] = sorted(row["row"] for row in rows)
    return found


@pytest.mark.scaled
async def test_three_deliveries_in_any_order_have_the_effect_of_one(
    open_database: OpenDatabase, redis: Redis, journal: Journal, make_probe: MakeProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small batches, so that a duplicate arrives in another batch than the first delivery.
    monkeypatch.setattr(consumer, "BATCH_SIZE", 10)
    messages = history()
    once = await (await Services.open(open_database, redis, journal, make_probe())).consume(messages)
    thrice = messages * 3
    random.shuffle(thrice)
    assert await (await Services.open(open_database, redis, journal, make_probe())).consume(thrice) == once
    assert sum(len(rows) for table, rows in once.items() if table.endswith("dead_letters")) == 0
    assert len(once["admin.notifications"]) >= EVENTS_OF_EACH
    assert len(once["product.shops"]) > 1
    assert len(once["kafka.daily_figures"]) > len(EVENTS)

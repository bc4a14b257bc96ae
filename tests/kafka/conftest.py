"""The kafka service on a real database, with the calls of auth and admin prepared."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from nextbuy.contracts.admin import AdminClient, CreateNotification, NotificationCreated
from nextbuy.contracts.auth import AuthClient, ValidateAdmin
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.contracts.values import Role, new_id
from nextbuy.kafka.deps import Deps
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.callers import account
from tests.conftest import DatabaseUrl, OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.bus_probe import KafkaWire, MakeWire, RedisWire
from tests.kafka.logs import Logs


@pytest.fixture
def calls() -> StubCalls:
    """What others say."""
    return StubCalls({ValidateAdmin: account(Role.ADMIN), CreateNotification: NotificationCreated(new_id())})


@pytest.fixture
async def kafka_url(database_url: DatabaseUrl) -> str:
    """Where the service's database is."""
    return await database_url("kafka")


@pytest.fixture
async def deps(kafka_url: str, redis: Redis, calls: StubCalls) -> AsyncIterator[Deps]:
    """The service's needs."""
    database = await Database.connect(kafka_url, "kafka")
    yield Deps(
        auth=AuthClient(calls),
        admin=AdminClient(calls),
        product=ProductClient(calls),
        seller=SellerClient(calls),
        order=OrderClient(calls),
        database=database,
        interactions=Interactions(redis),
    )
    await database.close()


@pytest.fixture(params=["redis", "kafka"])
def make_wire(request: pytest.FixtureRequest, redis: Redis) -> MakeWire:
    """Makes wires of each bus in turn."""
    if request.param == "redis":
        return lambda: RedisWire(redis)
    servers = request.getfixturevalue("kafka_servers")
    return lambda: KafkaWire(servers)


@pytest.fixture
def journal() -> Iterator[Journal]:
    """A journal that nobody reads."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    yield Journal(nowhere)
    os.close(nowhere)


@pytest.fixture
async def logs(open_database: OpenDatabase, redis: Redis, journal: Journal) -> Logs:
    """Those who publish, and who counts what they publish."""
    publishers = {name: await open_database("") for name in ("auth", "seller", "product", "order")}
    return Logs(await open_database("kafka"), publishers, redis, journal)

"""The kafka service on a real database, with the calls of auth and admin prepared."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from nextbuy.contracts.admin import CreateNotification, NotificationCreated
from nextbuy.contracts.auth import ValidateAdmin
from nextbuy.contracts.values import Role, new_id
from nextbuy.kafka.deps import Deps
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.callers import account
from tests.conftest import DatabaseUrl, OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.bus_probe import KafkaProbe, MakeProbe, RedisProbe
from tests.kafka.projection_harness import ProjectionHarness
from tests.kafka.sample_deps import sample_deps


@pytest.fixture
def calls() -> StubCalls:
    """The replies of other services."""
    return StubCalls({ValidateAdmin: account(Role.ADMIN), CreateNotification: NotificationCreated(new_id())})


@pytest.fixture
async def kafka_url(database_url: DatabaseUrl) -> str:
    """The URL of the service's database."""
    return await database_url("kafka")


@pytest.fixture
async def deps(kafka_url: str, redis: Redis, calls: StubCalls) -> AsyncIterator[Deps]:
    """The service's dependencies on a real database."""
    database = await Database.connect(kafka_url, "kafka")
    yield sample_deps(database, redis, calls)
    await database.close()


@pytest.fixture(params=["redis", "kafka"])
def make_probe(request: pytest.FixtureRequest, redis: Redis) -> MakeProbe:
    """A factory of probes, for each bus in turn."""
    if request.param == "redis":
        return lambda: RedisProbe(redis)
    servers = request.getfixturevalue("patient_kafka")
    return lambda: KafkaProbe(servers)


@pytest.fixture
def journal() -> Iterator[Journal]:
    """A journal that writes to /dev/null."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    yield Journal(nowhere)
    os.close(nowhere)


@pytest.fixture
async def harness(open_database: OpenDatabase, redis: Redis, journal: Journal) -> ProjectionHarness:
    """Publishing services and the kafka service, each on its own database."""
    publishers = {name: await open_database("") for name in ("auth", "seller", "product", "order")}
    return ProjectionHarness(await open_database("kafka"), publishers, redis, journal)

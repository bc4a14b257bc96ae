"""Databases and buses on real engines, for the tests of the kit."""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from nextbuy.embedded import start_redis
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.storage.database import Database
from tests.conftest import OpenDatabase
from tests.kit.events.sample import EFFECTS, LogFile

PREFIX = "nextbuy:"


@pytest.fixture
async def publisher(open_database: OpenDatabase) -> Database:
    """The database of a service that publishes."""
    return await open_database("")


@pytest.fixture
async def subscriber(open_database: OpenDatabase) -> Database:
    """The database of a service that subscribes, with a table for the effects of its handlers."""
    database = await open_database("")
    await database.execute(EFFECTS)
    return database


@pytest.fixture
async def bus(redis: Redis) -> AsyncIterator[RedisBus]:
    """A bus on the shared Redis."""
    bus = RedisBus(redis, PREFIX)
    yield bus
    await bus.close()


@pytest.fixture(params=["redis", "kafka"])
def any_bus(request: pytest.FixtureRequest) -> Bus:
    """Each bus in turn."""
    bus: Bus = request.getfixturevalue("kafka_bus" if request.param == "kafka" else "bus")
    return bus


@pytest.fixture
def bus_arguments(request: pytest.FixtureRequest, any_bus: Bus) -> list[str]:
    """Arguments that lead another process to `any_bus`: its kind, the engine's URL, and the prefix."""
    if isinstance(any_bus, KafkaBus):
        return ["kafka", request.getfixturevalue("kafka_servers"), any_bus._prefix]
    return ["redis", request.getfixturevalue("redis_url"), PREFIX]


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[LogFile]:
    """A journal that the test can read back."""
    file = LogFile(tmp_path / "journal")
    yield file
    file.close()


class OwnRedis:
    """A Redis that a test may kill or freeze."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._running = start_redis(data, fast_and_unsafe=True)
        self.url = self._running.url

    def freeze(self) -> None:
        os.kill(self._running.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._running.pid, signal.SIGCONT)

    def kill(self) -> None:
        os.kill(self._running.pid, signal.SIGKILL)
        self._running.stop()

    def restart(self) -> None:
        self._running = start_redis(self._data, fast_and_unsafe=True)

    def stop(self) -> None:
        self._running.stop()


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """A Redis for one test."""
    folder = Path(tempfile.mkdtemp(prefix="nb-"))
    engine = OwnRedis(folder / "data")
    yield engine
    engine.stop()
    shutil.rmtree(folder)


@pytest.fixture
async def own_bus(own_redis: OwnRedis) -> AsyncIterator[RedisBus]:
    """A bus on that Redis."""
    async with Redis.from_url(own_redis.url) as client:
        bus = RedisBus(client)
        yield bus
        await bus.close()

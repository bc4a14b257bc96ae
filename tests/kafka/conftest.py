"""The kafka service and sample destinations on real engines."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from redis.asyncio import Redis

from nextbuy.kafka.comparison import destination_comparison
from nextbuy.kafka.delivery import dispatcher
from nextbuy.kit.events import log_listing
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service import Service, Subscription
from tests.conftest import OpenDatabase
from tests.kafka.bus_probe import KafkaProbe, MakeProbe, RedisProbe
from tests.kafka.delivery_harness import DeliveryHarness, SampleDestination, SamplePublisher
from tests.kit.events.sample import EFFECTS

MakeHarness = Callable[..., Awaitable[DeliveryHarness]]


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
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the pauses of production."""
    monkeypatch.setattr(dispatcher, "RETRY_INTERVAL", 0.02)


@pytest.fixture
async def make_harness_on(
    open_database: OpenDatabase, redis: Redis, journal: Journal
) -> AsyncIterator[Callable[[MakeProbe], MakeHarness]]:
    """A function from the maker of a probe to that of a harness; keywords are destinations with their subscriptions."""
    made: list[DeliveryHarness] = []

    def on(make_probe: MakeProbe) -> MakeHarness:
        async def make(**subscriptions: list[Subscription]) -> DeliveryHarness:
            destinations = {}
            for name, of_name in subscriptions.items():
                database = await open_database("")
                await database.execute(EFFECTS)
                destinations[name] = SampleDestination(
                    Service(name=name, deps=object, subscriptions=of_name), None, database, journal
                )
                await destinations[name].start()
            probe = make_probe()
            publishers = [SamplePublisher(await open_database(""), probe.bus, journal)]
            made.append(DeliveryHarness(await open_database("kafka"), probe, journal, destinations, publishers))
            return made[-1]

        return make

    yield on
    for harness in made:
        await harness.bus.close()


@pytest.fixture
def make_harness(make_harness_on: Callable[[MakeProbe], MakeHarness], make_probe: MakeProbe) -> MakeHarness:
    """A maker of harnesses on each bus in turn."""
    return make_harness_on(make_probe)


@pytest.fixture
def make_redis_harness(make_harness_on: Callable[[MakeProbe], MakeHarness], redis: Redis) -> MakeHarness:
    """A maker of harnesses on Redis, for tests that do not depend on the bus."""
    return make_harness_on(lambda: RedisProbe(redis))


@pytest.fixture
def settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of event logs that reach to the last event, and groups that are waited for only briefly."""
    monkeypatch.setattr(log_listing, "SETTLING", 0.0)
    monkeypatch.setattr(destination_comparison, "WAIT", 0.2)
    monkeypatch.setattr(destination_comparison, "WAIT_POLL", 0.02)

"""A bus that may lose events is refused at start, logged while running, and visible in health."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from nextbuy.host import bus_watch
from nextbuy.host.bus_watch import BusWatch
from nextbuy.host.composition import make_bus
from nextbuy.kit.config import Kafka, Settings, from_environment
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.events.bus import kafka_marker, kafka_risks
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kafka_broker import own_prefix
from tests.kit.conftest import OwnRedis, own_redis
from tools.kafka import free_ports

__all__ = ["own_redis"]

OURS = Settings(secret=b"the secret of one marketplace")
THEIRS = replace(OURS, secret=b"the secret of another marketplace")
Watch = Callable[[Settings], BusWatch]


@pytest.fixture
async def client(own_redis: OwnRedis) -> AsyncIterator[Redis]:
    """A client of a Redis that the test configures."""
    async with Redis.from_url(own_redis.url) as client:
        yield client


@pytest.fixture
async def watch(client: Redis) -> AsyncIterator[Watch]:
    """A function that returns a watch with some settings."""
    buses: list[Bus] = []

    def make(settings: Settings = OURS) -> BusWatch:
        buses.append(make_bus(settings, client))
        return BusWatch(settings, client, buses[-1], ["order.created"])

    yield make
    for bus in buses:
        await bus.close()


async def evict(client: Redis) -> None:
    await client.config_set("maxmemory", "100mb")
    await client.config_set("maxmemory-policy", "allkeys-lru")


async def disable_persistence(client: Redis) -> None:
    await client.config_set("appendonly", "no")
    await client.config_set("save", "")


async def only_snapshots(client: Redis) -> None:
    await client.config_set("appendonly", "no")
    await client.config_set("save", "900 1")


async def nearly_fill(client: Redis) -> None:
    used = (await client.info("memory"))["used_memory"]
    await client.config_set("maxmemory", int(used * 1.05))


RISKS = [
    pytest.param(evict, "redis-eviction", "maxmemory-policy to noeviction", id="eviction"),
    pytest.param(disable_persistence, "redis-persistence", "appendonly to yes", id="no persistence"),
]


async def test_embedded_redis_is_safe(watch: Watch) -> None:
    one = watch(OURS)

    assert await one.require_safe() == []
    assert await one.is_safe()


@pytest.mark.parametrize(("damage", "name", "remedy"), RISKS)
async def test_redis_that_may_lose_events_is_refused_with_remedy_unless_accepted(
    client: Redis, watch: Watch, damage: Callable[[Redis], Awaitable[None]], name: str, remedy: str
) -> None:
    await damage(client)

    with pytest.raises(ConfigError, match=remedy) as refused:
        await watch(OURS).require_safe()

    assert f"NEXTBUY_ACCEPT_BUS_RISKS={name}" in str(refused.value)
    accepting = watch(replace(OURS, accepted_bus_risks=(name,)))
    [sentence] = await accepting.require_safe()
    assert sentence.startswith("Accepted: ")
    assert await accepting.is_safe()


async def test_all_refusals_are_named_at_once(client: Redis, watch: Watch) -> None:
    await evict(client)
    await disable_persistence(client)

    with pytest.raises(ConfigError, match="NEXTBUY_ACCEPT_BUS_RISKS=redis-eviction,redis-persistence"):
        await watch(OURS).require_safe()


async def test_snapshots_are_persistence_too(client: Redis, watch: Watch) -> None:
    await only_snapshots(client)

    assert await watch(OURS).require_safe() == []


async def test_nearly_full_redis_does_not_prevent_the_start(client: Redis, watch: Watch) -> None:
    await nearly_fill(client)
    one = watch(OURS)

    [sentence] = await one.require_safe()

    assert "Raise maxmemory" in sentence
    assert not await one.is_safe()


async def test_redis_that_forbids_config_is_reported_and_used(client: Redis, own_redis: OwnRedis) -> None:
    await disable_persistence(client)
    await client.acl_setuser("guest", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    async with Redis.from_url(own_redis.url, username="guest", password="any") as guest:
        bus = RedisBus(guest)
        one = BusWatch(OURS, guest, bus, [])

        [sentence] = await one.require_safe()

        assert "forbids CONFIG" in sentence
        assert await one.is_safe()
        await bus.close()


async def test_risk_that_begins_while_running_is_logged_once_and_again_when_it_ends(
    client: Redis, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nextbuy.host.bus_watch")
    one = watch(OURS)
    await one.check()
    assert await one.is_safe()
    await evict(client)
    for _ in range(2):
        await one.check()
        assert not await one.is_safe()
    await client.config_set("maxmemory-policy", "noeviction")
    for _ in range(2):
        await one.check()
        assert await one.is_safe()

    assert [(record.levelname, record.__dict__["risk"]) for record in caplog.records] == [
        ("WARNING", "redis-eviction"),
        ("INFO", "redis-eviction"),
    ]


async def test_unavailable_redis_keeps_its_known_risks(client: Redis, own_redis: OwnRedis, watch: Watch) -> None:
    one = watch(OURS)
    await evict(client)
    await one.check()
    own_redis.kill()

    await one.check()
    assert [risk.name for risk in one.risks] == ["redis-eviction"]
    assert await watch(OURS).require_safe() == []
    own_redis.restart()


async def test_marketplace_with_another_secret_is_refused_under_the_same_prefix(client: Redis, watch: Watch) -> None:
    assert await watch(OURS).require_safe() == []

    with pytest.raises(ConfigError, match="NEXTBUY_REDIS_PREFIX") as refused:
        await watch(THEIRS).require_safe()

    assert "ACCEPT" not in str(refused.value)
    assert await watch(replace(THEIRS, redis_prefix="theirs:")).require_safe() == []
    assert await watch(OURS).require_safe() == []
    values = [await client.get(key) for key in await client.keys("*")]
    assert len(values) == 2
    assert not any(secret.decode() in str(value) for value in values for secret in (OURS.secret, THEIRS.secret))


async def test_marketplace_with_another_secret_is_refused_under_the_same_prefix_on_kafka(
    watch: Watch, patient_kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_watch, "_TIMEOUT", 60.0)
    kafka = Kafka(servers=patient_kafka, prefix=own_prefix())
    ours, theirs = replace(OURS, kafka=kafka), replace(THEIRS, kafka=kafka, redis_prefix="theirs:")
    one = watch(ours)
    assert await one.require_safe() == []

    with pytest.raises(ConfigError, match="NEXTBUY_KAFKA_PREFIX") as refused:
        await watch(theirs).require_safe()

    assert "ACCEPT" not in str(refused.value)
    assert "NEXTBUY_REDIS_PREFIX" not in str(refused.value)
    assert await watch(replace(theirs, kafka=replace(kafka, prefix=own_prefix()))).require_safe() == []
    assert await watch(ours).require_safe() == []
    await one.check()
    assert await one.is_safe()


@pytest.fixture
def absent_kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """Settings of a Kafka that does not answer."""
    for module in (kafka_marker, kafka_risks):
        monkeypatch.setattr(module, "_TIMEOUT", 0.3)
    return Kafka(servers=f"127.0.0.1:{free_ports(1)[0]}")


async def test_unavailable_kafka_does_not_prevent_the_start(watch: Watch, absent_kafka: Kafka) -> None:
    assert await watch(replace(OURS, kafka=absent_kafka)).require_safe() == []


async def test_marketplaces_on_kafka_need_prefixes_in_redis_too(watch: Watch, absent_kafka: Kafka) -> None:
    assert await watch(replace(OURS, kafka=absent_kafka)).require_safe() == []

    with pytest.raises(ConfigError, match="NEXTBUY_REDIS_PREFIX"):
        await watch(replace(THEIRS, kafka=absent_kafka)).require_safe()


async def test_lost_marker_is_written_again(client: Redis, watch: Watch) -> None:
    one = watch(OURS)
    await one.require_safe()
    [marker] = await client.keys("*")
    await client.flushall()

    await one.check()

    assert await client.keys("*") == [marker]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ACCEPT_BUS_RISKS", "redis-eviction,fire"), ("REDIS_PREFIX", "our keys:"), ("REDIS_PREFIX", "*")],
)
def test_invalid_setting_is_named_in_the_error(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"NEXTBUY_{name}"):
        from_environment({f"NEXTBUY_{name}": value})


def test_accepted_risks_and_prefix_are_read() -> None:
    read = from_environment(
        {
            "NEXTBUY_ACCEPT_BUS_RISKS": "redis-eviction, redis-persistence",
            "NEXTBUY_REDIS_PREFIX": "{north}:",
        }
    )
    assert (read.accepted_bus_risks, read.redis_prefix) == (("redis-eviction", "redis-persistence"), "{north}:")

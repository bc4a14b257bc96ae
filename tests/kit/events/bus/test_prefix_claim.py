"""A prefix belongs to the marketplace that claims it first: each test runs on Redis and on Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kafka_broker import own_prefix

pytestmark = pytest.mark.timeout(180)
OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"
OpenBus = Callable[[str], Bus]


@pytest.fixture(params=["redis", "kafka"])
async def open_bus(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[OpenBus]:
    """A function that connects another process to each engine in turn, under a prefix."""
    servers = request.getfixturevalue("patient_kafka") if request.param == "kafka" else ""
    buses: list[Bus] = []

    def open_one(prefix: str) -> Bus:
        kafka = Kafka(servers=servers, prefix=prefix)
        buses.append(KafkaBus(kafka) if servers else RedisBus(redis, prefix))
        return buses[-1]

    yield open_one
    for bus in buses:
        await bus.close()


async def test_prefix_belongs_to_the_marketplace_that_claims_it_first(open_bus: OpenBus) -> None:
    prefix = own_prefix()
    ours, theirs = open_bus(prefix), open_bus(prefix)
    assert await ours.claim_prefix(OURS) == []

    [risk] = await theirs.claim_prefix(THEIRS)

    place, setting = ("key", "REDIS") if isinstance(theirs, RedisBus) else ("topic", "KAFKA")
    assert risk.severity == "critical"
    assert f"Set NEXTBUY_{setting}_PREFIX" in risk.problem
    assert f"if you have changed the secret, delete the {place} {prefix}marketplace." in risk.problem
    assert await open_bus(prefix).claim_prefix(OURS) == []
    assert await open_bus(own_prefix()).claim_prefix(THEIRS) == []


async def test_of_several_marketplaces_that_claim_at_once_exactly_one_wins(open_bus: OpenBus) -> None:
    prefix = own_prefix()
    fingerprints = [f"{n:016}" for n in range(6)]

    async def claim_all() -> list[str]:
        found = await asyncio.gather(*(open_bus(prefix).claim_prefix(one) for one in fingerprints))
        return [one for one, risks in zip(fingerprints, found, strict=True) if not risks]

    winners = await claim_all()

    assert len(winners) == 1
    assert await claim_all() == winners


@pytest.mark.parametrize("marker", [b"\xff\xfe", ["a list"]], ids=["no UTF-8", "no text"])
async def test_marker_of_unknown_form_is_that_of_another_marketplace(redis: Redis, marker: bytes | list[str]) -> None:
    prefix = own_prefix()
    if isinstance(marker, bytes):
        await redis.set(f"{prefix}marketplace", marker)
    else:
        await redis.lpush(f"{prefix}marketplace", *marker)

    bus = RedisBus(redis, prefix)

    [risk] = await bus.claim_prefix(OURS)

    assert risk.name == "redis-prefix"
    await bus.close()

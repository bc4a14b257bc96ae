"""Kafka is killed under load or never reachable: no purchase fails, and events are delivered later."""

import asyncio

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import Marketplace, StartMarketplace, on_kafka
from tests.journeys.test_redis_unavailable import buyer_load_without_failures, more_orders
from tests.kafka_broker import KafkaBroker
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
NAME = "apache-kafka"


async def wait_for_kafka_state(state: str, market: Marketplace) -> None:
    """Wait until `/health/ready` reports a state of Kafka; the marketplace stays ready throughout."""
    async with JourneyClient.connect(market) as client:

        async def says_so() -> bool:
            response = await client.request("GET", "/health/ready")
            assert (response.status, response.json["status"]) == (200, "ready")
            await asyncio.sleep(0.1)
            return bool(response.json["checks"][NAME] == state)

        await until(says_so, f"Kafka is {state}", timeout=30)


@pytest.mark.chaos
async def test_purchases_succeed_while_kafka_is_killed_and_restarted(
    start_marketplace: StartMarketplace, own_kafka: KafkaBroker
) -> None:
    market = start_marketplace(NEXTBUY_SESSION_MINUTES="0.3", **on_kafka(own_kafka.servers))
    assert f"events use Apache Kafka at {own_kafka.servers}" in market.output()
    async with buyer_load_without_failures(market):
        await wait_for_kafka_state("up", market)
        await more_orders(market, 10)
        own_kafka.kill()
        await more_orders(market, 20)
        await wait_for_kafka_state("degraded", market)
        await asyncio.to_thread(own_kafka.restart)
        await more_orders(market, 10)
        await wait_for_kafka_state("up", market)


async def test_unreachable_kafka_is_reported_at_start_and_purchases_succeed(
    start_marketplace: StartMarketplace,
) -> None:
    market = start_marketplace(**on_kafka("127.0.0.1:1"))
    assert "Apache Kafka at 127.0.0.1:1 does not answer" in market.output()
    assert "Check the NEXTBUY_KAFKA_… settings" in market.output()
    await wait_for_kafka_state("degraded", market)
    async with JourneyClient.connect(market) as client:
        assert len(await client.buy(await client.new_buyer(), [(await client.new_product(), 1)])) == 1
    assert market.stop() == 0

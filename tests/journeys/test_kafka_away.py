"""Kafka dies while people buy, or was never there: no purchase fails, and what was to be told is told afterwards."""

import asyncio

import pytest

from tests.journeys.marketplace import Marketplace, PutUp, on_kafka
from tests.journeys.people import Town
from tests.journeys.test_redis_away import more_orders, people_go_on_buying
from tests.kafka_broker import KafkaBroker
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)
NAME = "apache-kafka"


async def is_seen_as(state: str, market: Marketplace) -> None:
    """Wait until `/health/ready` says so of Kafka; that it is away makes nothing unready."""
    async with Town.around(market) as town:

        async def says_so() -> bool:
            answer = await town.ask("GET", "/health/ready")
            assert (answer.status, answer.said["status"]) == (200, "ready")
            await asyncio.sleep(0.1)
            return bool(answer.said["checks"][NAME] == state)

        await until(says_so, f"Kafka is {state}", within=30)


async def test_kafka_is_killed_and_comes_back_and_nobody_s_purchase_fails(
    put_up: PutUp, own_kafka: KafkaBroker
) -> None:
    market = put_up(NEXTBUY_SESSION_MINUTES="0.3", **on_kafka(own_kafka.servers))
    assert f"events use Apache Kafka at {own_kafka.servers}" in market.said()
    async with people_go_on_buying(market):
        await is_seen_as("up", market)
        await more_orders(market, 10)
        own_kafka.kill()
        await more_orders(market, 20)
        await is_seen_as("degraded", market)
        await asyncio.to_thread(own_kafka.restart)
        await more_orders(market, 10)
        await is_seen_as("up", market)


async def test_where_the_servers_are_wrong_it_is_said_at_the_start_and_the_shop_sells(put_up: PutUp) -> None:
    market = put_up(**on_kafka("127.0.0.1:1"))
    assert "Apache Kafka at 127.0.0.1:1 does not answer" in market.said()
    assert "Check the NEXTBUY_KAFKA_… settings" in market.said()
    await is_seen_as("degraded", market)
    async with Town.around(market) as town:
        assert len(await town.bought(await town.buyer(), [(await town.product(), 1)])) == 1
    assert market.stop() == 0

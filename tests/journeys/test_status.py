"""`/health/status` of a whole marketplace, and the real carrier of its events in health and log."""

import pytest

from nextbuy.host.composition import SERVICES, destinations
from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import StartMarketplace, Topology
from tests.waiting import until

CARRIERS = {"redis": "Redis Streams", "kafka": "Kafka"}


def carrier_of(client: JourneyClient) -> str:
    """Return the name of the bus of a client's marketplace."""
    return CARRIERS["kafka" if "NEXTBUY_KAFKA_SERVERS" in client.market.settings else "redis"]


async def test_admin_sees_every_service_engine_and_destination(client: JourneyClient) -> None:
    admin = await client.admin()
    await client.buy(await client.new_buyer(), [(await client.new_product(), 1)])

    async def is_up() -> bool:
        # On a busy machine a part of the status may take too long at first.
        return bool((await client.get("/health/status", admin))["status"] == "up")

    await until(is_up, "the marketplace is up", timeout=60)
    status = await client.get("/health/status", admin)

    assert status["carrier"] == carrier_of(client)
    assert set(status["services"]) == set(SERVICES)
    assert {service["version"] for service in status["services"].values()} == {status["version"]}
    assert {"postgres", "redis", "cache"} <= set(status["engines"])
    assert all(status["engines"][name]["version"] for name in ("postgres", "redis", "cache"))
    assert set(status["destinations"]) == {destination.name for destination in destinations()}
    publishers = {name for name, hosted in SERVICES.items() if hosted.service.publishes}
    assert {name for name, service in status["services"].items() if "outbox" in service} == publishers


async def test_admin_sees_hits_misses_and_size_of_the_cache(client: JourneyClient) -> None:
    admin = await client.admin()
    await client.new_product()
    await client.get("/product/api/search-products?q=kettle")

    async def counted() -> bool:
        status = await client.get("/health/status", admin)
        return bool(status["services"]["product"].get("cache", {}).get("misses"))

    await until(counted, "the load is counted")
    memory = (await client.get("/health/status", admin))["engines"]["cache"]["memory"]
    assert 0 < memory["used_bytes"] < memory["max_bytes"] == 32 * 1024 * 1024


async def test_stranger_sees_only_whether_it_is_up(client: JourneyClient) -> None:
    buyer = await client.new_buyer()

    for who in (None, buyer):
        assert set(await client.get("/health/status", who)) == {"status"}


async def test_log_of_a_published_event_names_the_real_carrier(client: JourneyClient) -> None:
    since = client.market.log_size()
    await client.new_product()

    def carriers() -> set[str]:
        return {line["carrier"] for line in client.market.lines(since) if line.get("kind") == "publish"}

    await until(lambda: bool(carriers()), "an event is published")
    assert carriers() == {carrier_of(client)}


async def test_log_names_the_real_carrier_at_the_start(client: JourneyClient) -> None:
    starts = [line["message"] for line in client.market.lines() if "events travel over" in line.get("message", "")]
    # The data folder is a copy of one on which another marketplace ran before.
    assert starts[-1] == f"events travel over {carrier_of(client)}"


@pytest.mark.timeout(300)
async def test_backlog_of_a_stopped_service_is_counted(start_marketplace: StartMarketplace) -> None:
    market = start_marketplace(Topology.MANY)
    async with JourneyClient.connect(market) as client:
        admin = await client.admin()
        market.service("notification").suspend()
        await client.buy(await client.new_buyer(), [(await client.new_product(), 1)])

        async def waits() -> bool:
            status = await client.get("/health/status", admin)
            backlog = status["destinations"].get("notification", {"waiting": 0})
            return bool(backlog["waiting"]) and backlog["oldest_s"] > 0 and status["status"] == "degraded"

        await until(waits, "events wait for the notification service", timeout=30)
        status = await client.get("/health/status", admin)
        assert status["services"]["notification"]["problems"]
        assert status["services"]["order"]["state"] == "up"

        market.service("notification").resume()

        async def delivered() -> bool:
            status = await client.get("/health/status", admin)
            return bool(status["destinations"]["notification"]["waiting"] == 0)

        await until(delivered, "the events are delivered", timeout=30)

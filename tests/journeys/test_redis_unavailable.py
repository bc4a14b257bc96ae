"""Redis is paused or killed under load: no purchase fails, and events are delivered later."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis

from nextbuy.embedded import redis_server
from tests.journeys.journey_client import JourneyClient
from tests.journeys.load import BuyerLoad
from tests.journeys.marketplace import Marketplace, StartMarketplace
from tests.journeys.snapshot import snapshot_at_rest
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
AWAY = 5.0


class OwnRedis:
    """An external Redis server on its own port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start on the existing data."""
        settings = {"port": self._port, "bind": "127.0.0.1", "dir": self._folder, "appendonly": "yes", "save": ""}
        words = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([redis_server(), *words], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """Kill the process (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def events(self) -> int:
        """Return the number of events in all streams."""
        with Redis.from_url(self.url) as client:
            return sum(int(str(client.xlen(key))) for key in client.scan_iter("nextbuy:stream:*"))


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """An external Redis server."""
    folder = Path(tempfile.mkdtemp(prefix="nbj-"))
    server = OwnRedis(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder)


@asynccontextmanager
async def buyer_load_without_failures(market: Marketplace) -> AsyncIterator[BuyerLoad]:
    """Run buyer load in which every request must succeed and every payment must become orders."""
    async with JourneyClient.connect(market) as client:
        products = [await client.new_product(stock=100_000), await client.new_product(stock=100_000)]
        buyers = [await client.new_buyer() for _ in range(4)]
        async with BuyerLoad(client, buyers, products) as load:
            yield load
        assert set(load.responses) == {200, 201}
        snapshot = await snapshot_at_rest(market)
        snapshot.assert_reconciled(market.stock)
        paid = {str(session["id"]) for session in snapshot.sessions if session["status"] == "paid"}
        assert paid >= {session["session_id"] for session in load.paid}


async def orders_in(market: Marketplace) -> int:
    """Return the number of orders."""
    (row,) = await market.rows("order", "SELECT count(*) AS n FROM orders")
    return int(row["n"])


async def more_orders(market: Marketplace, least: int) -> None:
    """Wait until `least` more orders exist."""
    before = await orders_in(market)

    async def there_are() -> bool:
        await asyncio.sleep(0.05)
        return await orders_in(market) >= before + least

    await until(there_are, f"{least} more orders")


async def test_purchases_succeed_while_redis_is_paused(
    start_marketplace: StartMarketplace,
) -> None:
    market = start_marketplace(NEXTBUY_SESSION_MINUTES="0.3")
    async with buyer_load_without_failures(market) as load:
        redis = market.redis()
        await more_orders(market, 10)
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(AWAY + 30):
                before = len(load.paid)
                # The duration is under test: caches, limits and the bus wait for a silent Redis.
                await asyncio.sleep(AWAY)
                await more_orders(market, 2)
            assert len(load.paid) > before + 10
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        await more_orders(market, 10)


async def test_reads_and_purchases_succeed_while_the_cache_is_frozen_and_after_it_was_killed(
    start_marketplace: StartMarketplace,
) -> None:
    market = start_marketplace(NEXTBUY_SESSION_MINUTES="0.3")
    async with buyer_load_without_failures(market), JourneyClient.connect(market) as client:
        admin, cache = await client.admin(), market.redis("cache")

        async def read_lists(number: int) -> None:
            for n in range(number):
                page = await client.get(f"/product/api/get-all-products?limit={1 + n % 50}")
                assert page["items"]
                await client.get("/analytics/api/best-sellers")

        await read_lists(20)
        os.kill(cache.pid, signal.SIGSTOP)
        await read_lists(50)
        await more_orders(market, 10)
        os.kill(cache.pid, signal.SIGCONT)
        cache.kill()
        await read_lists(50)
        await more_orders(market, 10)

        async def is_reported() -> bool:
            status = await client.get("/health/status", admin)
            return bool(status["engines"]["cache"] == {"state": "degraded", "version": ""})

        await until(is_reported, "the status reports the cache")
        assert (await client.get("/health/status", admin))["services"]["product"]["cache"]["errors"] > 0


async def test_purchases_succeed_while_external_redis_is_killed_and_restarted(
    start_marketplace: StartMarketplace, own_redis: OwnRedis
) -> None:
    market = start_marketplace(NEXTBUY_REDIS_URL=own_redis.url, NEXTBUY_SESSION_MINUTES="0.3")
    async with buyer_load_without_failures(market):
        await more_orders(market, 10)
        own_redis.kill()
        await more_orders(market, 20)
        own_redis.start()
        await more_orders(market, 10)
    assert own_redis.events() > 40
    assert "The shared cache is off. Set NEXTBUY_CACHE_URL" in market.output()

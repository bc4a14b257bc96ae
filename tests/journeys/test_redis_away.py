"""Redis stands still or dies while people buy: nobody's purchase fails, and what was to be told is told afterwards."""

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
from nextbuy.host.supervisor import free_port
from tests.journeys.books import settled
from tests.journeys.crowd import Crowd
from tests.journeys.marketplace import Marketplace, PutUp
from tests.journeys.people import Town
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)
AWAY = 10.0


class OwnRedis:
    """A Redis on a port, as somebody runs it who has one already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on what it has kept."""
        settings = {"port": self._port, "bind": "127.0.0.1", "dir": self._folder, "appendonly": "yes", "save": ""}
        words = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([redis_server(), *words], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def events(self) -> int:
        """How many events it keeps."""
        with Redis.from_url(self.url) as client:
            return sum(int(str(client.xlen(key))) for key in client.scan_iter("nextbuy:stream:*"))


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """A Redis that is not ours to start."""
    folder = Path(tempfile.mkdtemp(prefix="nbj-"))
    server = OwnRedis(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder)


@asynccontextmanager
async def people_go_on_buying(market: Marketplace) -> AsyncIterator[Crowd]:
    """A crowd whose every purchase succeeds, session, payment and orders, while something is away."""
    async with Town.around(market) as town:
        products = [await town.product(stock=100_000), await town.product(stock=100_000)]
        buyers = [await town.buyer() for _ in range(4)]
        async with Crowd(town, buyers, products) as crowd:
            yield crowd
        assert set(crowd.answers) == {200, 201}
        books = await settled(market)
        books.are_right(market.stock)
        paid = {str(session["id"]) for session in books.sessions if session["status"] == "paid"}
        assert paid >= {session["session_id"] for session in crowd.paid}


async def orders_in(market: Marketplace) -> int:
    """How many orders there are."""
    (row,) = await market.rows("order", "SELECT count(*) AS n FROM orders")
    return int(row["n"])


async def more_orders(market: Marketplace, least: int) -> None:
    """Wait until so many more orders have been written."""
    before = await orders_in(market)

    async def there_are() -> bool:
        await asyncio.sleep(0.05)
        return await orders_in(market) >= before + least

    await until(there_are, f"{least} more orders")


async def test_redis_stands_still_for_ten_seconds_and_nobody_s_purchase_fails(put_up: PutUp) -> None:
    market = put_up(NEXTBUY_SESSION_MINUTES="0.3")
    async with people_go_on_buying(market) as crowd:
        redis = market.engine("redis-server")
        await more_orders(market, 10)
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(AWAY + 30):
                before = len(crowd.paid)
                # The time itself is what is tested: caches, limits and the bus wait for a Redis that says nothing.
                await asyncio.sleep(AWAY)
                await more_orders(market, 2)
            assert len(crowd.paid) > before + 10
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        await more_orders(market, 10)


async def test_somebody_s_redis_is_killed_and_comes_back_and_nobody_s_purchase_fails(
    put_up: PutUp, own_redis: OwnRedis
) -> None:
    market = put_up(NEXTBUY_REDIS_URL=own_redis.url, NEXTBUY_SESSION_MINUTES="0.3")
    async with people_go_on_buying(market):
        await more_orders(market, 10)
        own_redis.kill()
        await more_orders(market, 20)
        own_redis.start()
        await more_orders(market, 10)
    assert own_redis.events() > 40

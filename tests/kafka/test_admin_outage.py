"""Admin is down for longer than its breaker waits: no event is dead-lettered, and all notifications arrive.

`NEXTBUY_TEST_OUTAGE` sets the outage in seconds; by default 12: two openings of the breaker and a failed probe.
"""

import asyncio
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from redis.asyncio import Redis

from nextbuy.admin.service import SERVICE
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import PaymentRefunded
from nextbuy.contracts.product import ProductPending
from nextbuy.contracts.values import Money, new_id
from nextbuy.host.composition import destinations
from nextbuy.kafka.delivery.deliver_events import deliver_events
from nextbuy.kafka.delivery.dispatcher import RETRY_INTERVAL
from nextbuy.kit.rpc.breaker import DEFAULT_BREAKER_POLICY
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.database import Database
from tests.conftest import DatabaseUrl, OpenDatabase
from tests.kafka.bus_probe import RedisProbe
from tests.kafka.sample_deps import sample_deps
from tests.kafka.sample_events import order
from tests.kit.events.sample import LogFile, count, count_is, send
from tests.ports import free_port
from tests.waiting import until

OUTAGE: Final = float(os.environ.get("NEXTBUY_TEST_OUTAGE", "12"))
ROOT: Final = Path(__file__).parents[2]
SECRET: Final = "a secret for this test"
EVENTS_OF_EACH: Final = 30
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 2 * OUTAGE)]


def admin_events() -> list[Event]:
    """Return events of three topics with notifications for admins."""
    events: list[Event] = []
    for _ in range(EVENTS_OF_EACH):
        ids = {"product_id": new_id(), "shop_id": new_id(), "seller_id": new_id()}
        events += [
            order(),
            ProductPending(**ids, title="Bowl", status="pending", score=50, rules=[]),
            PaymentRefunded(
                session_id=new_id(), buyer_id=new_id(), payment_id="pay_1", total=Money(100), reason="sold-out"
            ),
        ]
    return events


class Admin:
    """The admin service as a process."""

    def __init__(self, database_url: str) -> None:
        self.port = free_port()
        self._database_url = database_url
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        program = [sys.executable, "-m", "tests.kafka.admin_process", self._database_url, str(self.port), SECRET]
        self._process = await asyncio.create_subprocess_exec(*program, cwd=ROOT)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@pytest.fixture
async def admin_url(database_url: DatabaseUrl) -> str:
    return await database_url("admin")


@pytest.fixture
async def admin(admin_url: str) -> AsyncIterator[Admin]:
    admin = Admin(admin_url)
    yield admin
    await admin.kill()


@asynccontextmanager
async def calling(admin: Admin, log: LogFile) -> AsyncIterator[Calls]:
    """Calls of the kafka service to admin, over HTTP and behind a breaker as in production."""
    transport = HttpTransport("admin", f"http://127.0.0.1:{admin.port}")
    breakers = Breakers("kafka", ["admin"], asyncio.get_running_loop().time)
    yield Calls(ServiceIdentity(SECRET.encode(), "kafka"), {"admin": transport}, log.journal, breakers=breakers)
    await transport.close()


async def test_outage_of_admin_dead_letters_nothing_and_events_arrive_soon_after(
    admin: Admin,
    admin_url: str,
    open_database: OpenDatabase,
    redis: Redis,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, notifications = LogFile(tmp_path / "journal"), await Database.connect(admin_url, "admin", max_connections=1)
    probe, database = RedisProbe(redis), await open_database("kafka")
    [destination] = [one for one in destinations() if one.name == "admin"]

    def rows(table: str, number: int) -> Callable[[], Awaitable[bool]]:
        return lambda: count_is(notifications, table, number)

    async def is_done() -> bool:
        return await probe.lag("admin", destination.topics) == 0

    before, during = admin_events(), admin_events()
    async with calling(admin, log) as calls:
        deps = sample_deps(database, calls.send, probe.bus, [destination])
        delivering = asyncio.create_task(deliver_events(deps))
        await admin.start()
        await until(rows("subscriptions", len(SERVICE.subscriptions)), "the start of admin", timeout=60)
        await send(probe.bus, *before)
        await until(rows("notifications", len(before)), "notifications before the outage", timeout=60)

        caplog.clear()
        await admin.kill()
        calls_before = len(log.lines("call"))
        began = time.monotonic()
        while time.monotonic() - began < OUTAGE:
            await send(probe.bus, *during[:3])
            del during[:3]
            await asyncio.sleep(0.2)
        await send(probe.bus, *during)
        assert await count(database, "dead_letters") == 0
        outcomes = Counter(line["outcome"] for line in log.lines("call")[calls_before:])
        waits = [record for record in caplog.records if "delivery to admin failed" in record.getMessage()]
        assert "ok" not in outcomes
        assert 2 <= sum(outcomes.values()) <= (time.monotonic() - began) / RETRY_INTERVAL + 2, outcomes
        assert [record.levelno for record in waits] == [logging.WARNING]

        await admin.start()
        returned = time.monotonic()
        await until(rows("notifications", 2 * len(before)), "notifications after the outage", timeout=60)
        # The longest wait of the breaker, and the start of a process on a busy machine.
        assert time.monotonic() - returned < DEFAULT_BREAKER_POLICY.reset_cap + 20
        await until(is_done, "all events are acknowledged")
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
    assert await count(database, "dead_letters") == 0
    kinds = await notifications.fetch("SELECT kind, count(*) AS n FROM notifications GROUP BY kind")
    assert [row["n"] for row in kinds] == [2 * EVENTS_OF_EACH] * 3
    await probe.bus.close()
    await notifications.close()
    log.close()

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

from nextbuy.contracts.message import Call, Event, Reply
from nextbuy.contracts.order import PaymentRefunded
from nextbuy.contracts.product import ProductPending, RecordActivity
from nextbuy.contracts.values import Money, Nothing, new_id
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.rpc.breaker import DEFAULT_BREAKER_POLICY, Breaker
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.kit.storage.database import Database
from tests.conftest import DatabaseUrl, OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.sample_events import order
from tests.kafka.service_harness import ServiceHarness
from tests.kit.events.sample import LogFile, message
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
    breaker = Breaker(asyncio.get_running_loop().time)
    yield Calls(
        ServiceIdentity(SECRET.encode(), "kafka"), {"admin": transport}, log.journal, breakers={"admin": breaker}
    )
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

    def stored(number: int) -> Callable[[], Awaitable[bool]]:
        async def condition() -> bool:
            return bool(await notifications.fetchval("SELECT count(*) FROM notifications") == number)

        return condition

    before, during = admin_events(), admin_events()
    async with calling(admin, log) as calls:
        others = StubCalls({RecordActivity: Nothing()})

        async def send(call: Call[Reply]) -> Reply:
            return await (calls.send(call) if call.to == "admin" else others(call))

        harness = ServiceHarness(await open_database("kafka"), redis, send, log.journal)
        async with harness.consuming():
            await admin.start()
            await harness.publish([message(event) for event in before])
            await until(stored(len(before)), "notifications before the outage", timeout=60)

            await admin.kill()
            caplog.clear()
            calls_before = len(log.lines("call"))
            began = time.monotonic()
            while time.monotonic() - began < OUTAGE:
                await harness.publish([message(event) for event in during[:3]])
                del during[:3]
                await asyncio.sleep(0.2)
            await harness.publish([message(event) for event in during])
            assert await harness.count("dead_letters") == 0
            outcomes = Counter(line["outcome"] for line in log.lines("call")[calls_before:])
            waits = [record for record in caplog.records if "failed temporarily" in record.getMessage()]
            # Failures until the breaker opens, then at most two probes per round; it refuses the other calls.
            rounds = OUTAGE / DEFAULT_BREAKER_POLICY.reset_after + 1
            assert sum(n for outcome, n in outcomes.items() if outcome != "breaker-open") <= 12 + 2 * rounds, outcomes
            assert {record.levelno for record in waits} == {logging.WARNING}
            assert len(waits) == 3, [record.getMessage() for record in waits]

            await admin.start()
            returned = time.monotonic()
            await until(stored(2 * len(before)), "notifications after the outage", timeout=60)
            # The longest waits of the breaker and of the consumer, and the start of a process on a busy machine.
            assert time.monotonic() - returned < DEFAULT_BREAKER_POLICY.reset_cap + 20
            await until(harness.is_done, "all events are acknowledged")
        assert await harness.count("dead_letters") == 0
        kinds = await notifications.fetch("SELECT kind, count(*) AS n FROM notifications GROUP BY kind")
        assert {row["n"] for row in kinds} == {2 * EVENTS_OF_EACH}
    await notifications.close()
    log.close()

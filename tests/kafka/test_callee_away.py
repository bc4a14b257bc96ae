"""Admin is down for longer than its breaker's longest wait: nothing is a dead letter, and all of it is told afterwards.

`NEXTBUY_TEST_OUTAGE` is for how many seconds; unset, it is 12: two openings of the breaker and a probe that fails.
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
from tests.kafka.listener import Listener
from tests.kafka.test_model import order
from tests.kit.events.sample import LogFile, message
from tests.ports import free_port
from tests.waiting import until

OUTAGE: Final = float(os.environ.get("NEXTBUY_TEST_OUTAGE", "12"))
ROOT: Final = Path(__file__).parents[2]
SECRET: Final = "a secret of these tests alone"
OF_EACH: Final = 30
pytestmark = pytest.mark.timeout(120 + 2 * OUTAGE)


def events() -> list[Event]:
    """Of three topics, all of which the admins are told of."""
    made: list[Event] = []
    for _ in range(OF_EACH):
        ids = {"product_id": new_id(), "shop_id": new_id(), "seller_id": new_id()}
        made += [
            order(),
            ProductPending(**ids, title="Bowl", status="pending", score=50, rules=[]),
            PaymentRefunded(session_id=new_id(), buyer_id=new_id(), total=Money(100), reason="sold out"),
        ]
    return made


class Admin:
    """The admin service, a process that comes and goes."""

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
    """What carries the kafka service's calls to it, as in the product: over HTTP, behind a breaker."""
    transport = HttpTransport("admin", f"http://127.0.0.1:{admin.port}")
    breaker = Breaker(asyncio.get_running_loop().time)
    yield Calls(
        ServiceIdentity(SECRET.encode(), "kafka"), {"admin": transport}, log.journal, breakers={"admin": breaker}
    )
    await transport.close()


async def test_an_outage_buries_nothing_and_all_is_told_within_seconds_of_its_end(
    admin: Admin,
    admin_url: str,
    open_database: OpenDatabase,
    redis: Redis,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, notifications = LogFile(tmp_path / "journal"), await Database.connect(admin_url, "admin", max_connections=1)

    def told(number: int) -> Callable[[], Awaitable[bool]]:
        async def is_so() -> bool:
            return bool(await notifications.fetchval("SELECT count(*) FROM notifications") == number)

        return is_so

    before, during = events(), events()
    async with calling(admin, log) as calls:
        others = StubCalls({RecordActivity: Nothing()})

        async def send(call: Call[Reply]) -> Reply:
            return await (calls.send(call) if call.to == "admin" else others(call))

        listener = Listener(await open_database("kafka"), redis, send, log.journal)
        async with listener.listening():
            await admin.start()
            await listener.publish([message(event) for event in before])
            await until(told(len(before)), "admin is told", within=60)

            await admin.kill()
            caplog.clear()
            outcomes = len(log.lines("call"))
            began = time.monotonic()
            while time.monotonic() - began < OUTAGE:
                await listener.publish([message(event) for event in during[:3]])
                del during[:3]
                await asyncio.sleep(0.2)
            await listener.publish([message(event) for event in during])
            assert await listener.count("dead_letters") == 0
            tried = Counter(line["outcome"] for line in log.lines("call")[outcomes:])
            waits = [record for record in caplog.records if "failed temporarily" in record.getMessage()]
            # As many as open it, and at most two probes in each of its rounds; the others are refused by the breaker.
            rounds = OUTAGE / DEFAULT_BREAKER_POLICY.reset_after + 1
            assert sum(n for outcome, n in tried.items() if outcome != "breaker-open") <= 12 + 2 * rounds, tried
            assert {record.levelno for record in waits} == {logging.WARNING}
            assert len(waits) == 3, [record.getMessage() for record in waits]

            await admin.start()
            returned = time.monotonic()
            await until(told(2 * len(before)), "all of it is told", within=60)
            # The breaker's longest wait, one of the consumer's own, and the start of a process on a busy machine.
            assert time.monotonic() - returned < DEFAULT_BREAKER_POLICY.reset_cap + 20
            await until(lambda: _none_left(listener), "nothing is left")
        assert await listener.count("dead_letters") == 0
        kinds = await notifications.fetch("SELECT kind, count(*) AS n FROM notifications GROUP BY kind")
        assert {row["n"] for row in kinds} == {2 * OF_EACH}
    await notifications.close()
    log.close()


async def _none_left(listener: Listener) -> bool:
    return await listener.lag() == 0

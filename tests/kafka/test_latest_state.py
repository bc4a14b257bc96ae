"""Shops are approved, then suspended, while notification and product are unavailable: in the end all are suspended.

The decisions go the whole way: seller's outbox, relay, bus, dispatchers, receivers, and the job that sends mails.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from redis.asyncio import Redis

from nextbuy.contracts.auth import Account, Accounts, AuthClient, GetAccounts
from nextbuy.contracts.seller import SellerApproved, SellerSuspended
from nextbuy.contracts.status import Backlog
from nextbuy.contracts.values import Role
from nextbuy.kit.events.bus.interface import Bus, BusMessage, Risk, Subscription, TopicEnd
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.notification.deps import Deps
from nextbuy.notification.mailer import SmtpMailer
from nextbuy.notification.send_mails import send_mails
from nextbuy.notification.store.notifications import list_notifications
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps as SellerDeps
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.bus_probe import MakeProbe, RedisProbe
from tests.kafka.delivery_harness import DeliveryHarness
from tests.kafka.test_duplicates import open_services
from tests.kit.events.sample import count_is
from tests.notification.mail_server import MailServer
from tests.seller.test_decide_seller import decision, open_shop
from tests.waiting import until

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("fast_retries")]
SHOPS = 30
NAMES = ("notification", "product")
APPROVED, SUSPENDED = SellerApproved.topic, SellerSuspended.topic


class TopicBuffer:
    """A bus that stores the messages of a relay by topic, so that a test chooses when each topic is read."""

    carrier = "memory"

    def __init__(self) -> None:
        self.by_topic: dict[str, list[BusMessage]] = defaultdict(list)

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        for message in messages:
            self.by_topic[message.topic].append(message)

    def subscribe(self, group: str, topics: Sequence[str], *, batch_size: int = 200) -> Subscription:
        raise NotImplementedError

    async def backlogs(self, groups: Mapping[str, Collection[str]]) -> dict[str, Backlog]:
        raise NotImplementedError

    async def risks(self, topics: Sequence[str]) -> list[Risk]:  # noqa: ARG002
        return []

    async def claim_prefix(self, fingerprint: str) -> list[Risk]:
        raise NotImplementedError

    async def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        raise NotImplementedError

    async def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


async def suspended_sellers(open_database: OpenDatabase) -> tuple[Database, list[UUID]]:
    """Open, approve and suspend shops; return the database of seller, with its outbox full, and the sellers."""
    calls = StubCalls()
    deps = SellerDeps(auth=AuthClient(calls), database=await open_database("seller"))
    sellers = [await open_shop(deps, calls, f"Shop {n}") for n in range(SHOPS)]
    for status in ("approved", "suspended"):
        for seller in sellers:
            await decide_seller(deps, decision(seller, status, "No papers"))
    return deps.database, sellers


async def publish_outbox(database: Database, bus: Bus, journal: Journal) -> None:
    relaying = asyncio.create_task(Relay(database, bus, journal).run())
    await until(lambda: count_is(database, "outbox", 0), "the outbox is empty", timeout=60)
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)


async def wait_until_delivered(harness: DeliveryHarness) -> None:
    async def condition() -> bool:
        return all([await harness.is_done(name) for name in NAMES])

    await until(condition, "notification and product have applied everything", timeout=60)


async def send_all(harness: DeliveryHarness, server: MailServer) -> None:
    """Send the mails that wait, to `<account>@example.test`."""
    deps = harness.destinations["notification"].deps
    assert isinstance(deps, Deps)
    people = StubCalls(
        {
            GetAccounts: lambda call: Accounts(
                [Account(one, f"{one}@example.test", "A seller", Role.SELLER) for one in call.account_ids]
            )
        }
    )
    async with server.open() as smtp:
        sending = replace(deps, auth=AuthClient(people), mailer=SmtpMailer(smtp))
        while await send_mails(sending):
            pass


async def assert_suspended(harness: DeliveryHarness, server: MailServer, sellers: Sequence[UUID]) -> None:
    """Assert that the newest notification, the last mail and product's copy of each shop say that it is suspended."""
    database = harness.destinations["notification"].database
    for seller in sellers:
        [newest] = (await list_notifications(database, seller, limit=1, cursor=None)).items
        assert newest.kind == "shop-suspended"
        mails = [str(one["Subject"]) for one in server.mails if one["To"] == f"{seller}@example.test"]
        assert mails[-1] == "Your shop is suspended · NextBuy"
    rows = await harness.destinations["product"].database.fetch("SELECT status FROM shops")
    assert [row["status"] for row in rows] == ["suspended"] * SHOPS
    assert await harness.dead_letters() == []


async def test_last_decision_wins_when_destinations_return(
    open_database: OpenDatabase, redis: Redis, journal: Journal, make_probe: MakeProbe
) -> None:
    harness, server = await open_services(open_database, redis, journal, make_probe()), MailServer()
    seller_database, sellers = await suspended_sellers(open_database)
    for name in NAMES:
        harness.destinations[name].available = False

    async with harness.delivering():
        await publish_outbox(seller_database, harness.bus, journal)
        await until(lambda: harness.is_done("analytics"), "the events are on the bus and read by others", timeout=60)
        assert await harness.lag("notification") >= 2 * SHOPS
        for name in NAMES:
            harness.destinations[name].available = True
        await wait_until_delivered(harness)
    await send_all(harness, server)

    await assert_suspended(harness, server, sellers)
    await harness.bus.close()


@pytest.mark.parametrize("topics", [(APPROVED, SUSPENDED), (SUSPENDED, APPROVED)], ids=lambda topics: topics[0])
async def test_last_decision_wins_in_any_order_of_topics(
    open_database: OpenDatabase, redis: Redis, journal: Journal, topics: tuple[str, ...]
) -> None:
    harness, server = await open_services(open_database, redis, journal, RedisProbe(redis)), MailServer()
    seller_database, sellers = await suspended_sellers(open_database)
    outbox = TopicBuffer()
    await publish_outbox(seller_database, outbox, journal)
    assert [len(outbox.by_topic[topic]) for topic in topics] == [SHOPS, SHOPS]

    async with harness.delivering():
        for topic in topics:
            await harness.publish(*outbox.by_topic[topic])
            await wait_until_delivered(harness)
            await send_all(harness, server)

    await assert_suspended(harness, server, sellers)
    await harness.bus.close()

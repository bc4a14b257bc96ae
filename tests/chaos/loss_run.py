"""A run with losses: orders while the kafka service is stopped, after which the bus loses what it has stored.

In the end two destinations get a copy of their databases from before all losses.
"""

import asyncio
import math
import os
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Final
from uuid import UUID

import asyncpg

from nextbuy.host.composition import SERVICES
from nextbuy.kit.events.log_listing import SETTLING
from tests.chaos.checks import inbox_name
from tests.chaos.clients import LONGEST, Clients
from tests.chaos.cluster import Cluster
from tests.chaos.observations import (
    SUBSCRIBERS,
    Observations,
    Row,
    all_compared,
    applied_events,
    at_rest,
    observe,
    pending_events,
    written_events,
)
from tests.journeys.journey_client import JourneyClient, Json, Person, Seller
from tests.journeys.marketplace import ADMIN, environment, nextbuy
from tests.journeys.snapshot import wait_until_empty
from tests.waiting import until

BUYERS: Final = 4
SHOPS: Final = 2
BEFORE: Final = 6
"""Orders before the first loss, and orders between the copies of databases and the first loss."""
LOST: Final = 8
"""Orders before each loss; all their events are on the bus then."""
AFTER: Final = 4
"""Orders after each loss, before the kafka service is back."""
RESTORED: Final = ("notification", "analytics")
"""Services with databases that are restored from a backup: the copy from before all losses stands for an old one."""
RESTORE: Final = "databases are restored"
REPAIRED_WITHIN: Final = 300.0
"""Seconds. A comparison begins each minute and leaves out the events of the last one."""
APPLIED_WITHIN: Final = 60.0
AUDITED: Final = ("kafka", "analytics")

_MARGIN: Final = 5.0
LAG: Final = 20.0
"""Seconds. The kafka service has restarted, and its comparison has asked all destinations."""

NotApplied = dict[tuple[str, str], set[UUID]]
"""By service and topic: events that one of its subscriptions has not applied."""


@dataclass(frozen=True)
class LossResult:
    """The confirmations to clients, the losses by name, and the state at rest."""

    clients: Clients
    lost: dict[str, NotApplied]
    reported: list[Json]
    """The findings of the comparison, as an admin sees them."""
    audits: dict[str, str]
    """By service: the actions of operators, as the command line shows them."""
    shops: dict[str, list[Row]]
    """Shops and their states, from the seller service and from the product service's copy."""
    stock: dict[str, int]
    """The initial stock of each product."""
    found: Observations

    @property
    def all_lost(self) -> Counter[tuple[str, str, UUID]]:
        """The number of times that each event was lost for a service, by service, topic and event."""
        return Counter((*place, one) for lost in self.lost.values() for place, ids in lost.items() for one in ids)


class LossRun:
    """One run with all losses of a bus."""

    def __init__(self, cluster: Cluster, seed: int, report: Callable[[str], None]) -> None:
        """Draw baskets from `seed`; `report` receives progress."""
        self._stage = cluster
        self._chance = Random(seed)  # noqa: S311  no secret
        self._report = report
        self._began = time.monotonic()
        self._lost: dict[str, NotApplied] = {}

    async def run(self) -> LossResult:
        """Lose events in all ways, wait until all are applied and compared, and return the observations."""
        async with asyncio.timeout(LONGEST), JourneyClient.connect(self._stage.market) as client:
            shoppers = _Shoppers(client, self._chance)
            await shoppers.register()
            await shoppers.buy(BEFORE)
            await at_rest(self._stage)
            for name in RESTORED:
                await self._back_up(name)
            await shoppers.buy(BEFORE)
            await self._rest_is_applied()
            self._log("the first orders are applied; databases are copied")
            for number, (what, lose) in enumerate(self._stage.broker.losses.ways.items()):
                await self._lose(what, lose, shoppers, killed=number % 2 == 0)
            await self._stay_away(shoppers)
            await self._all_repaired()
            await self._restore()
            await self._all_repaired()
            await all_compared(self._stage)
            self._log("all events are compared")
            await at_rest(self._stage)
            stored = await self._stage.broker.losses.stored()
            admin = await client.login(ADMIN)
            return LossResult(
                clients=shoppers.clients,
                lost=self._lost,
                reported=await client.list_all("/kafka/api/comparison-findings", admin),
                audits={name: self._audit(name) for name in AUDITED},
                shops={
                    "seller": await self._rows("seller", "SELECT id, status FROM shops ORDER BY id"),
                    "product": await self._rows("product", "SELECT shop_id AS id, status FROM shops ORDER BY shop_id"),
                },
                stock=self._stage.market.stock,
                found=await observe(self._stage, client, stored),
            )

    async def _lose(
        self, what: str, lose: Callable[[], Awaitable[None]], shoppers: "_Shoppers", *, killed: bool
    ) -> None:
        """Lose events while the kafka service is stopped; it is killed then, or continues with what it remembers."""
        began = time.time()
        async with self._stopped("kafka", killed=killed):
            await shoppers.buy(LOST)
            await shoppers.change()
            await self._all_published()
            await lose()
            await shoppers.buy(AFTER)
            await self._all_published()
            await self._note(what, SUBSCRIBERS)
        await self._rest_is_applied()
        await self._exclude_received(what, before=began + SETTLING)
        self._log("what the bus still had is applied")

    async def _stay_away(self, shoppers: "_Shoppers") -> None:
        """Lose nothing; the comparison lists events that the bus has still to deliver, and one destination lags."""
        async with self._lagging():
            async with self._stopped("kafka", killed=True):
                await shoppers.buy(AFTER)
                await self._all_published()
                # The durations are under test.
                await asyncio.sleep(SETTLING + _MARGIN)
            await asyncio.sleep(LAG)
        await self._rest_is_applied()
        self._log("what waited for longer than events settle is applied")

    @asynccontextmanager
    async def _lagging(self) -> AsyncIterator[None]:
        """Have the handlers of the notification service wait, while it answers what it lacks."""
        async with self._stage.market.database("notification") as connection, connection.transaction():
            await connection.execute("LOCK TABLE notifications IN SHARE MODE")
            yield

    async def _restore(self) -> None:
        async with self._stopped("kafka", killed=True):
            for name in RESTORED:
                async with self._stopped(name, killed=True), self._postgres() as postgres:
                    await _disconnect(postgres, name)
                    await postgres.execute(f"ALTER DATABASE nextbuy_{name} RENAME TO {name}_lost")
                    await postgres.execute(f"ALTER DATABASE {name}_copy RENAME TO nextbuy_{name}")
                    await postgres.execute(f"REVOKE ALL ON DATABASE nextbuy_{name} FROM PUBLIC")
                    # The bus has delivered what it still has, and does not deliver it again.
            await self._note(RESTORE, RESTORED)

    async def _back_up(self, name: str) -> None:
        """Copy a database, for which no other session may be connected to it."""
        async with self._stopped(name, killed=True), self._postgres() as postgres:
            await _disconnect(postgres, name)
            await postgres.execute(f"CREATE DATABASE {name}_copy TEMPLATE nextbuy_{name} OWNER nextbuy_{name}")

    async def _note(self, what: str, services: Collection[str]) -> None:
        """Note which events nothing but the comparison can deliver from now on."""
        stored = set() if what == RESTORE else await self._stage.broker.losses.stored()
        missing = await _not_applied(self._stage)
        missing = missing if what == RESTORE else _without(missing, self._lost)
        self._lost[what] = {
            place: lost for place, ids in missing.items() if place[0] in services and (lost := ids - stored)
        }
        events = {event for ids in self._lost[what].values() for event in ids}
        self._log(f"{what}: {len(events)} events are lost for {len(self._lost[what])} services and topics")

    async def _exclude_received(self, what: str, before: float) -> None:
        """Remove from the losses the events that the stopped service had already received from the bus.

        Their inbox rows are older than `before` (seconds since the epoch), when the comparison can first list an event
        of this loss.
        """
        missing = await _not_applied(self._stage, before)
        self._lost[what] = {
            place: lost for place, ids in self._lost[what].items() if (lost := ids & missing.get(place, set()))
        }

    @asynccontextmanager
    async def _stopped(self, name: str, *, killed: bool) -> AsyncIterator[None]:
        """Stop a service; in the end kill it, after which the supervisor restarts it, or let it continue."""
        await until(lambda: self._stage.is_running(name), f"{name} is restarted", timeout=APPLIED_WITHIN)
        process = self._stage.market.service(name)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGKILL if killed else signal.SIGCONT)

    @asynccontextmanager
    async def _postgres(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(self._stage.postgres.url)
        try:
            yield connection
        finally:
            await connection.close()

    async def _all_published(self) -> None:
        async def left() -> Row:
            waiting = await pending_events(self._stage)
            return {"in outboxes": waiting} if waiting else {}

        await wait_until_empty(left, "all events are published", timeout=APPLIED_WITHIN)

    async def _rest_is_applied(self) -> None:
        """Wait until every event is applied, apart from those that were lost."""

        async def left() -> Row:
            missing = _without(await _not_applied(self._stage), self._lost)
            return {str(place): len(ids) for place, ids in missing.items() if ids}

        await wait_until_empty(left, "what is not lost is applied", timeout=APPLIED_WITHIN)

    async def _all_repaired(self) -> None:
        """Wait until all events are applied, and everything that was reported is repaired."""

        async def left() -> Row:
            missing = {str(place): len(ids) for place, ids in (await _not_applied(self._stage)).items()}
            findings = await self._rows("kafka", "SELECT * FROM comparison_findings WHERE repaired_at IS NULL")
            return missing | {str(one["id"]): one for one in findings}

        await wait_until_empty(left, "everything is repaired", timeout=REPAIRED_WITHIN)
        self._log("everything is repaired")

    async def _rows(self, service: str, query: str) -> list[Row]:
        return await self._stage.market.rows(service, query)

    def _audit(self, service: str) -> str:
        market = self._stage.market
        shown = subprocess.run(
            nextbuy("events", "audit", "--service", service, "--data", str(market.data)),
            env=environment(market.settings),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return shown.stdout.strip()

    def _log(self, what: str) -> None:
        self._report(f"{time.monotonic() - self._began:6.1f} s  {what}")


class _Shoppers:
    """Buyers that buy at the same time, and sellers that change prices and open shops."""

    def __init__(self, client: JourneyClient, chance: Random) -> None:
        self.clients = Clients(client, chance)
        self._client = client
        self._goods: list[tuple[Seller, Json]] = []
        self._buyers: list[Person] = []

    async def register(self) -> None:
        """Register sellers with products, and buyers."""
        sellers = [await self._client.new_seller() for _ in range(SHOPS)]
        self._goods = [(one, await self._client.new_product(one, stock=10_000)) for one in sellers]
        self._buyers = [await self._client.new_buyer() for _ in range(BUYERS)]

    async def buy(self, orders: int) -> None:
        """Buy until `orders` more orders are confirmed."""
        baskets = self.clients.baskets(orders, [product for _, product in self._goods])

        async def shop(buyer: Person) -> None:
            for basket in baskets:
                await self.clients.buy(buyer, basket)

        async with asyncio.TaskGroup() as group:
            for buyer in self._buyers:
                group.create_task(shop(buyer))

    async def change(self) -> None:
        """Change a price, and open one more shop."""
        await self.clients.reprice(*self._goods[0])
        await self._client.new_seller()


async def _disconnect(postgres: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    """End the sessions of a stopped service, as a restore requires."""
    await postgres.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", f"nextbuy_{name}"
    )


async def _not_applied(cluster: Cluster, before: float = math.inf) -> NotApplied:
    """Return the events in the logs that were not in an inbox at a time (seconds since the epoch), by default now."""
    written, inboxes = await written_events(cluster), await applied_events(cluster)
    missing: NotApplied = defaultdict(set)
    for service in SUBSCRIBERS:
        for subscription in SERVICES[service].service.subscriptions:
            topics = {event.topic for event in subscription.events}
            applied = inboxes.get(inbox_name(subscription), {})
            for event in written:
                if event.topic in topics and applied.get(event.id, math.inf) >= before:
                    missing[service, event.topic].add(event.id)
    return dict(missing)


def _without(missing: NotApplied, lost: Mapping[str, NotApplied]) -> NotApplied:
    """Return the events that are missing and were not lost before."""
    return {
        place: ids.difference(*(before.get(place, ()) for before in lost.values())) for place, ids in missing.items()
    }

"""A projection rebuilt from the event logs equals the live one, whatever happens meanwhile."""

import asyncio
import contextlib
import random
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from nextbuy.analytics import aggregates
from nextbuy.analytics import rebuild_projections as job
from nextbuy.analytics.aggregates import Events
from nextbuy.analytics.projection import BEST_SELLERS, PROJECTIONS, apply
from nextbuy.analytics.projections import projections
from nextbuy.analytics.rebuild_projection import RebuildProjection, rebuild_projection
from nextbuy.analytics.rebuild_projections import rebuild_projections
from nextbuy.analytics.rebuild_requests import request_rebuild
from nextbuy.analytics.store import rebuilds
from nextbuy.analytics.store.projections import lock_generations
from nextbuy.analytics.store.rebuilds import LeaseLost
from nextbuy.contracts.auth import AccountSuspended
from nextbuy.contracts.errors import Conflict, NotFound, Unavailable
from nextbuy.contracts.order import OrderPaid, ReadOrderEvents
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kit.events import event_log
from tests.analytics.projection_harness import ProjectionHarness, inbound_of, order_of
from tests.callers import account, caller
from tests.outbox import published
from tests.waiting import until

NAMES = sorted(PROJECTIONS)


async def request(harness: ProjectionHarness, name: str) -> None:
    async with harness.database.transaction() as tx:
        await request_rebuild(tx, name, requested_by="test")


async def assert_exact(harness: ProjectionHarness) -> None:
    """Assert that each projection equals its harness, and that no rows of other generations are left."""
    for name in NAMES:
        assert await harness.live(name) == await harness.computed(name), name
        assert await harness.obsolete_rows(name) == 0, name


class ConcurrentWork:
    """Writers, deliveries and rebuilds that run concurrently and at random."""

    def __init__(self, harness: ProjectionHarness, rng: random.Random) -> None:
        self.harness, self.rng, self.writers = harness, rng, 4

    @property
    def busy(self) -> bool:
        return self.writers > 0 or bool(self.harness.bus)

    async def write(self) -> None:
        for _ in range(12):
            events = [self.harness.random_event(self.rng) for _ in range(self.rng.randrange(1, 6))]
            await self.harness.write(*events, pause=self.rng.choice([0, 0.001, 0.02]))
        self.writers -= 1

    async def deliver(self) -> None:
        while self.busy:
            self.rng.shuffle(self.harness.bus)
            batch = [self.harness.bus.pop() for _ in range(min(len(self.harness.bus), self.rng.randrange(1, 9)))]
            await asyncio.sleep(self.rng.choice([0, 0.002]))
            await self.harness.deliver(batch)
            if self.rng.random() < 0.3:
                await self.harness.deliver(self.rng.sample(batch, k=len(batch)))

    async def rebuild(self) -> None:
        while self.busy:
            with contextlib.suppress(Conflict):
                await request(self.harness, self.rng.choice(NAMES))
            task = asyncio.create_task(rebuild_projections(self.harness.deps))
            if self.rng.random() < 0.3:
                # As if the process died.
                await asyncio.sleep(self.rng.random() * 0.03)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("seed", range(6))
async def test_rebuilds_during_writes_count_each_event_once(
    harness: ProjectionHarness, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)  # noqa: S311  shuffles a test
    monkeypatch.setattr(job, "BATCH_SIZE", rng.choice([1, 3, 7]))
    monkeypatch.setattr(job, "DELETE_LIMIT", 5)
    monkeypatch.setattr(job, "SLICE", 0.05)
    for statement in ("_CLAIM", "_SAVE"):
        short = getattr(rebuilds, statement).replace(rebuilds.LEASES.until, "now() + interval '0.2 seconds'")
        monkeypatch.setattr(rebuilds, statement, short)
    await harness.write(*[harness.random_event(rng) for _ in range(20)])
    await harness.deliver_all()
    work = ConcurrentWork(harness, rng)
    acts = [*4 * [work.write], *2 * [work.deliver], *2 * [work.rebuild]]
    await asyncio.gather(*(act() for act in acts))
    while any(one.state not in ("done", "failed") for one in (await rebuilds.latest(harness.database)).values()):
        await rebuild_projections(harness.deps)
    rows = await harness.database.fetch("SELECT state, error FROM rebuilds")
    assert {(row["state"], row["error"]) for row in rows} == {("done", "")}
    await assert_exact(harness)


async def test_rebuilt_projection_equals_the_live_one(harness: ProjectionHarness) -> None:
    rng = random.Random(7)  # noqa: S311  shuffles a test
    await harness.write(*[harness.random_event(rng) for _ in range(300)])
    await harness.deliver_all()
    before = {name: await harness.live(name) for name in NAMES}
    for name in NAMES:
        await request(harness, name)
        done = await harness.finish_rebuild(name)
        assert (done.state, done.error, done.generation) == ("done", "", 2)
        assert rebuilds.progress(done.event_logs)[0] == rebuilds.progress(done.event_logs)[1] > 0
    assert {name: await harness.live(name) for name in NAMES} == before
    await assert_exact(harness)
    for database in harness.publishers.values():
        await harness.deliver(await published(database))
    await assert_exact(harness)


async def test_rebuild_applies_events_with_their_positions_in_the_log(
    harness: ProjectionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions: list[int] = []

    def record(events: Events) -> Sequence[aggregates.ProductDay]:
        positions.extend(event.position for event in events)
        return aggregates.product_days(events)

    monkeypatch.setitem(PROJECTIONS, BEST_SELLERS.name, replace(BEST_SELLERS, tables={"best_sellers": record}))
    product, (_, shop) = harness.products[0]
    for _ in range(3):
        await harness.write(
            OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=shop, total=Money(5)),
            order_of(shop, (product, 1)),
        )

    await request(harness, BEST_SELLERS.name)
    await harness.finish_rebuild(BEST_SELLERS.name)

    assert positions == [2, 4, 6]


async def test_log_of_large_events_is_read_to_its_end_in_short_parts(
    harness: ProjectionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MAX_PART_BYTES", 1)
    rng = random.Random(7)  # noqa: S311  makes a test's events
    await harness.write(*[harness.random_event(rng) for _ in range(20)])
    await harness.deliver_all()
    for name in NAMES:
        await request(harness, name)
    while any(one.state not in ("done", "failed") for one in (await rebuilds.latest(harness.database)).values()):
        await rebuild_projections(harness.deps)
    await assert_exact(harness)


async def test_rebuild_restores_lost_rows(harness: ProjectionHarness) -> None:
    rng = random.Random(11)  # noqa: S311  shuffles a test
    await harness.write(*[harness.random_event(rng) for _ in range(50)])
    await harness.deliver_all()
    await harness.database.execute("DELETE FROM product_views")
    await request(harness, "product-views")
    await harness.finish_rebuild("product-views")
    await assert_exact(harness)


async def test_rebuild_waits_for_consumers_before_it_starts_a_generation(harness: ProjectionHarness) -> None:
    product_id, (_, shop) = harness.products[0]
    event = order_of(shop, (product_id, 2))
    await harness.write(event)
    await request(harness, "best-sellers")
    async with harness.database.transaction() as tx:
        [generation] = await lock_generations(tx, "best-sellers")
        task = asyncio.create_task(rebuild_projections(harness.deps))
        await until(lambda: task.done() or _waits_for_table(harness), "the rebuild waits for this transaction")
        await apply(tx, BEST_SELLERS, generation, [inbound_of(harness.bus[0])])
    await task
    await harness.deliver_all()
    await harness.finish_rebuild("best-sellers")
    await assert_exact(harness)


async def _waits_for_table(harness: ProjectionHarness) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'projections'::regclass"
    return bool(await harness.database.fetchval(waiting))


async def test_process_with_expired_lease_stores_no_progress(harness: ProjectionHarness) -> None:
    await request(harness, "best-sellers")
    stalled = await rebuilds.claim(harness.database)
    assert stalled is not None
    assert await rebuilds.claim(harness.database) is None
    await harness.database.execute("UPDATE rebuilds SET due_at = now()")
    successor = await rebuilds.claim(harness.database)
    assert successor is not None

    with pytest.raises(LeaseLost):
        async with harness.database.transaction() as tx:
            await rebuilds.save(tx, stalled, events=9)
    await rebuilds.release(harness.database, stalled)

    assert await rebuilds.claim(harness.database) is None
    assert (await rebuilds.get_rebuild(harness.database, stalled.rebuild.id)).events == 0


async def test_second_rebuild_of_a_projection_is_refused_while_one_runs(harness: ProjectionHarness) -> None:
    admin = caller(account(Role.ADMIN))
    await rebuild_projection(harness.deps, admin, RebuildProjection("best-sellers"))
    with pytest.raises(Conflict, match="already being rebuilt"):
        await rebuild_projection(harness.deps, admin, RebuildProjection("best-sellers"))
    await rebuild_projection(harness.deps, admin, RebuildProjection("daily-figures"))
    entries = await harness.database.fetch("SELECT action, subject FROM audit ORDER BY id")
    assert [tuple(row) for row in entries] == [("rebuild", "best-sellers"), ("rebuild", "daily-figures")]
    with pytest.raises(NotFound, match="Projection not found: good-figures"):
        await rebuild_projection(harness.deps, admin, RebuildProjection("good-figures"))
    assert (await harness.finish_rebuild("best-sellers")).state == "done"
    await rebuild_projection(harness.deps, admin, RebuildProjection("best-sellers"))


async def test_admins_see_the_progress_of_a_rebuild(harness: ProjectionHarness) -> None:
    admin = caller(account(Role.ADMIN))
    rng = random.Random(3)  # noqa: S311  shuffles a test
    await harness.write(*[harness.random_event(rng) for _ in range(30)])
    await harness.deliver_all()
    listed = {one.name: one for one in (await projections(harness.deps, admin)).items}
    assert sorted(listed) == NAMES
    assert (listed["daily-figures"].events, listed["daily-figures"].generation) == (30, 1)
    assert listed["daily-figures"].rebuild is None
    await request(harness, "daily-figures")
    await harness.finish_rebuild("daily-figures")
    [daily] = [one for one in (await projections(harness.deps, admin)).items if one.name == "daily-figures"]
    assert (daily.events, daily.generation) == (30, 2)
    assert daily.rebuild is not None
    assert (daily.rebuild.state, daily.rebuild.read, daily.rebuild.events) == ("done", daily.rebuild.of, 30)


async def test_unavailable_service_is_retried_and_unreadable_log_leaves_the_old_figures(
    harness: ProjectionHarness,
) -> None:
    _, (_, shop) = harness.products[0]
    await harness.write(order_of(shop, (harness.products[0][0], 2)))
    await harness.deliver_all()
    reply = harness.calls.replies[ReadOrderEvents]
    await request(harness, "best-sellers")
    harness.calls.replies[ReadOrderEvents] = Unavailable("Order does not answer.")
    with pytest.raises(Unavailable):
        await rebuild_projections(harness.deps)
    harness.calls.replies[ReadOrderEvents] = NotFound("No log here.")
    failed = await harness.finish_rebuild("best-sellers")
    assert (failed.state, failed.error) == ("failed", "NotFound: No log here.")
    await assert_exact(harness)
    harness.calls.replies[ReadOrderEvents] = reply
    await request(harness, "best-sellers")
    done = await harness.finish_rebuild("best-sellers")
    assert (done.state, done.generation) == ("done", 3), "a generation number is never used twice"
    await assert_exact(harness)


async def test_rebuild_reads_only_topics_of_the_projection(harness: ProjectionHarness) -> None:
    await harness.write(AccountSuspended(account_id=new_id(), by=new_id(), reason="x"))
    await request(harness, "best-sellers")
    await harness.finish_rebuild("best-sellers")
    assert {type(call).__name__ for call in harness.calls.made} == {"ReadOrderEvents"}
    assert {tuple(call.topics) for call in harness.calls.of_type(ReadOrderEvents)} == {("order.created",)}

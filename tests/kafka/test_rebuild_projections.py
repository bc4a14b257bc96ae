"""A projection that is made again of the event logs equals the one that was made live, whatever happens meanwhile."""

import asyncio
import contextlib
import random

import pytest

from nextbuy.contracts.auth import AccountSuspended
from nextbuy.contracts.errors import Conflict, NotFound, Unavailable
from nextbuy.contracts.order import ReadOrderEvents
from nextbuy.contracts.values import Role, new_id
from nextbuy.kafka.projections import rebuild_projections as module
from nextbuy.kafka.projections.projection import BEST_SELLERS, PROJECTIONS, apply
from nextbuy.kafka.projections.projections import projections
from nextbuy.kafka.projections.rebuild_projection import RebuildProjection, rebuild_projection
from nextbuy.kafka.projections.rebuild_projections import rebuild_projections
from nextbuy.kafka.projections.rebuild_requests import request_rebuild
from nextbuy.kafka.store import rebuilds
from nextbuy.kafka.store.projections import generations
from nextbuy.kit.events import event_log
from tests.callers import account, caller
from tests.kafka.logs import Logs, order_of
from tests.outbox import published

NAMES = sorted(PROJECTIONS)


async def ask(logs: Logs, name: str) -> None:
    async with logs.database.transaction() as tx:
        await request_rebuild(tx, name, asked_by="a test")


async def check(logs: Logs) -> None:
    for name in NAMES:
        assert await logs.live(name) == await logs.computed(name), name
        assert await logs.rests(name) == 0, name


class Crowd:
    """Who writes, delivers and rebuilds at the same time, at random."""

    def __init__(self, logs: Logs, dice: random.Random) -> None:
        self.logs, self.dice, self.writing = logs, dice, 4

    @property
    def busy(self) -> bool:
        return self.writing > 0 or bool(self.logs.bus)

    async def write(self) -> None:
        for _ in range(12):
            some = [self.logs.some_event(self.dice) for _ in range(self.dice.randrange(1, 6))]
            await self.logs.write(*some, pause=self.dice.choice([0, 0.001, 0.02]))
        self.writing -= 1

    async def deliver(self) -> None:
        while self.busy:
            self.dice.shuffle(self.logs.bus)
            some = [self.logs.bus.pop() for _ in range(min(len(self.logs.bus), self.dice.randrange(1, 9)))]
            await asyncio.sleep(self.dice.choice([0, 0.002]))
            await self.logs.deliver(some)
            if self.dice.random() < 0.3:
                await self.logs.deliver(self.dice.sample(some, k=len(some)))

    async def rebuild(self) -> None:
        while self.busy:
            with contextlib.suppress(Conflict):
                await ask(self.logs, self.dice.choice(NAMES))
            task = asyncio.create_task(rebuild_projections(self.logs.kafka))
            if self.dice.random() < 0.3:
                # As if the process died: what it holds comes free when its lease has passed.
                await asyncio.sleep(self.dice.random() * 0.03)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("seed", range(6))
async def test_rebuilds_beside_a_shop_that_writes_miss_nothing_and_count_nothing_twice(
    logs: Logs, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)  # noqa: S311  shuffles a test
    monkeypatch.setattr(module, "BATCH", dice.choice([1, 3, 7]))
    monkeypatch.setattr(module, "CLEARED", 5)
    monkeypatch.setattr(module, "SLICE", 0.05)
    monkeypatch.setattr(rebuilds, "LEASE", 0.2)
    await logs.write(*[logs.some_event(dice) for _ in range(20)])
    await logs.deliver_all()
    crowd = Crowd(logs, dice)
    doing = [crowd.write, crowd.write, crowd.write, crowd.write, crowd.deliver, crowd.deliver, crowd.rebuild]
    await asyncio.gather(*(act() for act in [*doing, crowd.rebuild]))
    while any(one.state not in ("done", "failed") for one in (await rebuilds.latest(logs.database)).values()):
        await rebuild_projections(logs.kafka)
    rows = await logs.database.fetch("SELECT state, error FROM rebuilds")
    assert {(row["state"], row["error"]) for row in rows} == {("done", "")}
    await check(logs)


async def test_each_projection_is_made_again_of_its_logs(logs: Logs) -> None:
    dice = random.Random(7)  # noqa: S311  shuffles a test
    await logs.write(*[logs.some_event(dice) for _ in range(300)])
    await logs.deliver_all()
    before = {name: await logs.live(name) for name in NAMES}
    for name in NAMES:
        await ask(logs, name)
        done = await logs.rebuilt(name)
        assert (done.state, done.error, done.generation) == ("done", "", 2)
        assert rebuilds.progress(done.sources)[0] == rebuilds.progress(done.sources)[1] > 0
    assert {name: await logs.live(name) for name in NAMES} == before
    await check(logs)
    for database in logs.publishers.values():
        await logs.deliver(await published(database))
    await check(logs)


async def test_a_log_of_large_events_is_read_to_its_end_though_its_parts_are_short(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "BYTES", 1)
    dice = random.Random(7)  # noqa: S311  makes a test's events
    await logs.write(*[logs.some_event(dice) for _ in range(20)])
    await logs.deliver_all()
    for name in NAMES:
        await ask(logs, name)
    while any(one.state not in ("done", "failed") for one in (await rebuilds.latest(logs.database)).values()):
        await rebuild_projections(logs.kafka)
    await check(logs)


async def test_what_was_lost_of_figures_is_there_again(logs: Logs) -> None:
    dice = random.Random(11)  # noqa: S311  shuffles a test
    await logs.write(*[logs.some_event(dice) for _ in range(50)])
    await logs.deliver_all()
    await logs.database.execute("DELETE FROM product_views")
    await ask(logs, "product-views")
    await logs.rebuilt("product-views")
    await check(logs)


async def test_nobody_adds_to_a_generation_that_is_taken_out(logs: Logs) -> None:
    product_id, (_, shop) = logs.products[0]
    event = order_of(shop, (product_id, 2))
    await logs.write(event)
    await ask(logs, "best-sellers")
    async with logs.database.transaction() as tx:
        [generation] = await generations(tx, "best-sellers")
        task = asyncio.create_task(rebuild_projections(logs.kafka))
        done, _ = await asyncio.wait([task], timeout=0.3)
        assert not done
        await apply(tx, BEST_SELLERS, generation, [(event, logs.bus[0])])
    await task
    await logs.deliver_all()
    await logs.rebuilt("best-sellers")
    await check(logs)


async def test_two_rebuilds_of_one_projection_at_once_are_refused(logs: Logs) -> None:
    admin = caller(account(Role.ADMIN))
    await rebuild_projection(logs.kafka, admin, RebuildProjection("best-sellers"))
    with pytest.raises(Conflict, match="being rebuilt already"):
        await rebuild_projection(logs.kafka, admin, RebuildProjection("best-sellers"))
    await rebuild_projection(logs.kafka, admin, RebuildProjection("daily-figures"))
    noted = await logs.database.fetch("SELECT what, subject FROM audit ORDER BY id")
    assert [tuple(row) for row in noted] == [("rebuild", "best-sellers"), ("rebuild", "daily-figures")]
    with pytest.raises(NotFound, match="There is no projection good-figures; there are best-sellers"):
        await rebuild_projection(logs.kafka, admin, RebuildProjection("good-figures"))
    assert (await logs.rebuilt("best-sellers")).state == "done"
    await rebuild_projection(logs.kafka, admin, RebuildProjection("best-sellers"))


async def test_admins_see_how_far_it_is(logs: Logs) -> None:
    admin = caller(account(Role.ADMIN))
    dice = random.Random(3)  # noqa: S311  shuffles a test
    await logs.write(*[logs.some_event(dice) for _ in range(30)])
    await logs.deliver_all()
    shown = {one.name: one for one in (await projections(logs.kafka, admin)).items}
    assert sorted(shown) == NAMES
    assert (shown["daily-figures"].events, shown["daily-figures"].generation) == (30, 1)
    assert shown["daily-figures"].rebuild is None
    await ask(logs, "daily-figures")
    await logs.rebuilt("daily-figures")
    [daily] = [one for one in (await projections(logs.kafka, admin)).items if one.name == "daily-figures"]
    assert (daily.events, daily.generation) == (30, 2)
    assert daily.rebuild is not None
    assert (daily.rebuild.state, daily.rebuild.read, daily.rebuild.events) == ("done", daily.rebuild.of, 30)


async def test_a_service_that_is_away_is_waited_for_and_a_log_that_cannot_be_read_leaves_the_old_figures(
    logs: Logs,
) -> None:
    _, (_, shop) = logs.products[0]
    await logs.write(order_of(shop, (logs.products[0][0], 2)))
    await logs.deliver_all()
    good = logs.calls.replies[ReadOrderEvents]
    await ask(logs, "best-sellers")
    logs.calls.replies[ReadOrderEvents] = Unavailable("Away.")
    with pytest.raises(Unavailable):
        await rebuild_projections(logs.kafka)
    logs.calls.replies[ReadOrderEvents] = NotFound("No log here.")
    failed = await logs.rebuilt("best-sellers")
    assert (failed.state, failed.error) == ("failed", "NotFound: No log here.")
    await check(logs)
    logs.calls.replies[ReadOrderEvents] = good
    await ask(logs, "best-sellers")
    done = await logs.rebuilt("best-sellers")
    assert (done.state, done.generation) == ("done", 3), "no generation is used twice"
    await check(logs)


async def test_only_the_topics_that_are_needed_are_read(logs: Logs) -> None:
    await logs.write(AccountSuspended(account_id=new_id(), by=new_id(), reason="x"))
    await ask(logs, "best-sellers")
    await logs.rebuilt("best-sellers")
    assert {type(call).__name__ for call in logs.calls.made} == {"ReadOrderEvents"}
    assert {tuple(call.topics) for call in logs.calls.of_type(ReadOrderEvents)} == {("order.created",)}

"""The daily figures, on a real database."""

import asyncio
from datetime import date

import pytest

from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.order import OrderPaid
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kafka import store
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.notifications.notify_admins import notify_admins
from nextbuy.kafka.projections.count_events import count_events
from nextbuy.kafka.projections.daily_figures import DailyFigures, daily_figures
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.kafka.test_model import SHOP, enveloped, order

DAY = date(2026, 11, 22)


async def test_figures_of_batches_at_once_add_up(deps: Deps) -> None:
    async def batch() -> None:
        events = [order(units=2, amount=100) for _ in range(10)]
        async with deps.database.transaction() as tx:
            await count_events(deps, tx, [(event, enveloped(event, DAY)) for event in events])

    await asyncio.gather(*(batch() for _ in range(8)))
    [figure] = await store.daily_figures(deps.database, DAY, DAY, limit=10)
    assert (figure.topic, figure.shop_id) == ("order.created", SHOP)
    assert (figure.events, figure.units, figure.amount) == (80, 160, 16_000)


async def test_figures_are_read_by_day(deps: Deps) -> None:
    event = order()
    async with deps.database.transaction() as tx:
        await count_events(deps, tx, [(event, enveloped(event, DAY))])
    who = caller(account(Role.ADMIN))
    assert len((await daily_figures(deps, who, DailyFigures(since=DAY, until=DAY))).items) == 1
    before = date(2026, 11, 1)
    assert (await daily_figures(deps, who, DailyFigures(since=before, until=before))).items == []
    await daily_figures(deps, who, DailyFigures())
    for since, until in ((DAY, before), (date.min, date.max)):
        with pytest.raises(Unprocessable):
            await daily_figures(deps, who, DailyFigures(since=since, until=until))
    assert (await daily_figures(deps, who, DailyFigures(until=date.min))).items == []


async def test_an_event_that_admins_need_not_know_asks_nobody(deps: Deps, calls: StubCalls) -> None:
    quiet = OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=SHOP, total=Money(1))
    await notify_admins(deps, quiet, enveloped(quiet))
    assert calls.made == []
    loud = order()
    envelope = enveloped(loud)
    await notify_admins(deps, loud, envelope)
    [sent] = calls.of_type(CreateNotification)
    assert sent.source_event_id == envelope.id

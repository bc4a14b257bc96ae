"""The daily figures on a real database."""

import asyncio
from datetime import date

import pytest

from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderPaid
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kafka.deps import Deps
from nextbuy.admin.notify_admins import notify_admins
from nextbuy.analytics.daily_figures import GetDailyFigures, daily_figures
from nextbuy.analytics.projection import DAILY_FIGURES, project
from nextbuy.kafka.store import aggregates
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.kafka.sample_events import SHOP, enveloped, order

DAY = date(2026, 11, 22)


async def apply(deps: Deps, *events: Event) -> None:
    async with deps.database.transaction() as tx:
        await project(tx, DAILY_FIGURES, [(event, enveloped(event, DAY)) for event in events])


async def test_concurrent_batches_add_up(deps: Deps) -> None:
    await asyncio.gather(*(apply(deps, *(order(units=2, amount=100) for _ in range(10))) for _ in range(8)))

    [row] = await aggregates.topic_days(deps.database, DAY, DAY, limit=10)
    assert (row.topic, row.shop_id) == ("order.created", SHOP)
    assert (row.events, row.units, row.amount) == (80, 160, 16_000)


async def test_figures_are_limited_to_a_valid_range_of_days(deps: Deps) -> None:
    await apply(deps, order())
    admin, before = caller(account(Role.ADMIN)), date(2026, 11, 1)

    assert len((await daily_figures(deps, admin, GetDailyFigures(since=DAY, until=DAY))).items) == 1
    assert (await daily_figures(deps, admin, GetDailyFigures(since=before, until=before))).items == []
    await daily_figures(deps, admin, GetDailyFigures())
    for since, until in ((DAY, before), (date.min, date.max)):
        with pytest.raises(Unprocessable):
            await daily_figures(deps, admin, GetDailyFigures(since=since, until=until))
    assert (await daily_figures(deps, admin, GetDailyFigures(until=date.min))).items == []


async def test_event_without_admin_notification_causes_no_call(deps: Deps, calls: StubCalls) -> None:
    paid = OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=SHOP, total=Money(1))
    await notify_admins(deps, paid, enveloped(paid))
    assert calls.made == []

    created = order()
    envelope = enveloped(created)
    await notify_admins(deps, created, envelope)
    [sent] = calls.of_type(CreateNotification)
    assert sent.source_event_id == envelope.id

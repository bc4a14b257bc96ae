"""The daily figures on a real database."""

import asyncio
from datetime import date

import pytest

from nextbuy.analytics.daily_figures import GetDailyFigures, daily_figures
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.service import SERVICE
from nextbuy.analytics.store import aggregates
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.values import Role
from tests.callers import account, caller
from tests.inbound import SHOP, Delivery, inbound, late_on, order

DAY = date(2026, 11, 22)


async def test_concurrent_batches_add_up(deps: Deps) -> None:
    batches = [[inbound(order(units=2, amount=100), late_on(DAY)) for _ in range(10)] for _ in range(8)]

    await asyncio.gather(*(Delivery(SERVICE, deps, deps.database)(*batch) for batch in batches))

    [row] = await aggregates.topic_days(deps.database, DAY, DAY, limit=10)
    assert (row.topic, row.shop_id) == ("order.created", SHOP)
    assert (row.events, row.units, row.amount) == (80, 160, 16_000)


async def test_figures_are_limited_to_a_valid_range_of_days(deps: Deps) -> None:
    await Delivery(SERVICE, deps, deps.database)(inbound(order(), late_on(DAY)))
    admin, before = caller(account(Role.ADMIN)), date(2026, 11, 1)

    assert len((await daily_figures(deps, admin, GetDailyFigures(since=DAY, until=DAY))).items) == 1
    assert (await daily_figures(deps, admin, GetDailyFigures(since=before, until=before))).items == []
    await daily_figures(deps, admin, GetDailyFigures())
    for since, until in ((DAY, before), (date.min, date.max)):
        with pytest.raises(Unprocessable):
            await daily_figures(deps, admin, GetDailyFigures(since=since, until=until))
    assert (await daily_figures(deps, admin, GetDailyFigures(until=date.min))).items == []

"""Fifty want what ten can have."""

import asyncio

import pytest

from nextbuy.contracts.errors import Refused
from nextbuy.contracts.product import ReleaseStock, UpdateStock, Line
from nextbuy.contracts.values import new_id
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_stock import update_stock
from tests.product.desk import Desk


async def test_fifty_buyers_at_once_for_ten_units_get_exactly_ten(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=10)
    outcomes = await asyncio.gather(*(desk.hold((kettle, 1)) for _ in range(50)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(error, Refused) and error.slug == "sold-out" for error in refused), refused
    assert len(refused) == 40
    assert await desk.units(kettle) == (0, 10, 0)

"""The order service on a real database, in a small market."""

from uuid import UUID

import pytest

from tests.conftest import OpenDatabase
from tests.order.basket_client import Browser
from tests.order.market import Market


@pytest.fixture
async def market(open_database: OpenDatabase) -> Market:
    """A market with nothing in it."""
    return Market(await open_database("order"))


@pytest.fixture
def guest(market: Market) -> Browser:
    """A browser without an account."""
    return Browser(market)


@pytest.fixture
def buyer(market: Market) -> Browser:
    """A browser in which the buyer is logged in."""
    return Browser(market, market.buyer)


@pytest.fixture
def mug(market: Market) -> UUID:
    """A product with ten units, at 10.00."""
    return market.product(market.shop())

"""The order service on a real database, in a small market."""

import pytest

from tests.conftest import OpenDatabase
from tests.order.market import Market


@pytest.fixture
async def market(open_database: OpenDatabase) -> Market:
    """A market with nothing in it."""
    return Market(await open_database("order"))

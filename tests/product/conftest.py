"""The service, standing."""

import os
from collections.abc import Awaitable, Callable

import pytest

from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.product.service_harness import Desk


@pytest.fixture
def journal() -> Journal:
    """A journal that nobody reads."""
    return Journal(os.open(os.devnull, os.O_WRONLY))


@pytest.fixture
async def desk(open_database: Callable[[str], Awaitable[Database]], journal: Journal) -> Desk:
    """The service on a database of its own."""
    return Desk(await open_database("product"), journal=journal)

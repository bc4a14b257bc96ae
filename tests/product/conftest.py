"""The product service on a database of its own."""

import os
from collections.abc import Awaitable, Callable

import pytest

from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.product.service_harness import ServiceHarness


@pytest.fixture
def journal() -> Journal:
    """A journal that is discarded."""
    return Journal(os.open(os.devnull, os.O_WRONLY))


@pytest.fixture
async def service(open_database: Callable[[str], Awaitable[Database]], journal: Journal) -> ServiceHarness:
    """The service with its steps for tests."""
    return ServiceHarness(await open_database("product"), journal=journal)

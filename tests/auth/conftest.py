"""Fixtures of auth."""

from collections.abc import AsyncIterator

import pytest

from nextbuy.auth.service import SERVICE
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import ServiceHarness, start_service
from tests.conftest import OpenDatabase


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    """An empty database of auth."""
    return await open_database("auth")


@pytest.fixture
async def service(database: Database) -> AsyncIterator[ServiceHarness]:
    """A started process of auth."""
    service = await start_service(database)
    yield service
    assert SERVICE.shutdown is not None
    await SERVICE.shutdown(service.deps)

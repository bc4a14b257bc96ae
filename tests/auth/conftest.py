"""Auth, open."""

from collections.abc import AsyncIterator

import pytest

from nextbuy.auth.service import SERVICE
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import Desk, open_desk
from tests.conftest import OpenDatabase


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    """Auth's database, empty."""
    return await open_database("auth")


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """Auth, open."""
    desk = await open_desk(database)
    yield desk
    assert SERVICE.shutdown is not None
    await SERVICE.shutdown(desk.deps)

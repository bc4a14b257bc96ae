"""One marketplace for each file of tests, on the engines of the worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from nextbuy.embedded import Engines
from tests.hostile.hostile_fixture import HostileMarket, hostile_market


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HostileMarket]:
    """The marketplace with all its accounts."""
    data: Path = tmp_path_factory.mktemp("hostile")
    async with hostile_market(engines, data) as opened:
        yield opened

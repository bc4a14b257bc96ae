"""One marketplace for each file of tests, on the worker's own engines."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from nextbuy.embedded import Engines
from tests.hostile.hostile_fixture import Bazaar, bazaar


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bazaar]:
    """The marketplace, with everybody in it."""
    data: Path = tmp_path_factory.mktemp("hostile")
    async with bazaar(engines, data) as opened:
        yield opened

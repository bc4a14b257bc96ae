"""One marketplace for each file of tests, on the engines of the worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from nextbuy.embedded import Engines
from tests.hostile.hostile_fixture import HostileMarket, hostile_market


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage: thousands of bad requests reach code that the tests of its service reach too."""
    for item in items:
        if item.nodeid.startswith("tests/hostile/"):
            item.add_marker("no_cover")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HostileMarket]:
    """The marketplace with all its accounts."""
    data: Path = tmp_path_factory.mktemp("hostile")
    async with hostile_market(engines, data) as opened:
        yield opened

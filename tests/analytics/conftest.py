"""The analytics service and the services whose events it sums up, each on a database of its own."""

import pytest

from nextbuy.analytics.deps import Deps
from tests.analytics.projection_harness import ProjectionHarness
from tests.conftest import OpenDatabase


@pytest.fixture
async def harness(open_database: OpenDatabase) -> ProjectionHarness:
    """Publishing services and analytics, each on its own database."""
    publishers = {name: await open_database("") for name in ("auth", "seller", "product", "order")}
    for name, database in publishers.items():
        database.service = name
    return ProjectionHarness(await open_database("analytics"), publishers)


@pytest.fixture
def deps(harness: ProjectionHarness) -> Deps:
    """The dependencies of analytics."""
    return harness.deps

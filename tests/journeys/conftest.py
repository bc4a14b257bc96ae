"""Shared marketplaces, one per topology and bus, and private ones for tests that break them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests import ports
from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import (
    DEPLOYMENTS,
    Bus,
    Deployment,
    Marketplace,
    MarketplaceFactory,
    StartMarketplace,
    destroy,
    marketplace_starter,
    on_kafka,
)
from tests.web.page_client import PageClient

START_LIMIT = 600
"""Seconds. The first journey waits until its marketplace, and perhaps Kafka, has started."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give journeys on a shared marketplace enough time for its start, and pages two deployments."""
    many = {item for item in items if item.get_closest_marker("pages") and item.get_closest_marker("chaos")}
    config.hook.pytest_deselected(items=list(many))
    items[:] = [item for item in items if item not in many]
    for item in items:
        if "market" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(START_LIMIT))


@pytest.fixture(scope="session")
def factory() -> Iterator[MarketplaceFactory]:
    """A factory of marketplaces."""
    factory = MarketplaceFactory()
    yield factory
    factory.clear()


@pytest.fixture(scope="session", params=DEPLOYMENTS, ids=str)
def market(request: pytest.FixtureRequest, factory: MarketplaceFactory) -> Iterator[Marketplace]:
    """A running marketplace; its log must hold no secret after all journeys."""
    deployment: Deployment = request.param
    kafka = on_kafka(request.getfixturevalue("kafka_servers")) if deployment.bus is Bus.KAFKA else {}
    market = factory.marketplace(f"{deployment.topology.name}-{deployment.bus}".lower(), deployment.topology, **kafka)
    try:
        market.start()
        yield market
        assert market.stop() == 0, market.output()
    finally:
        leaked = destroy(market)
    assert leaked == []


@pytest.fixture
async def client(market: Marketplace) -> AsyncIterator[JourneyClient]:
    """An HTTP client of the marketplace."""
    async with JourneyClient.connect(market) as client:
        yield client


@pytest.fixture
async def browser(market: Marketplace) -> AsyncIterator[PageClient]:
    """A browser of a stranger."""
    async with PageClient.connect(market.url) as browser:
        yield browser


@pytest.fixture
def start_marketplace(factory: MarketplaceFactory) -> Iterator[StartMarketplace]:
    """A function that starts a marketplace for this test alone."""
    with marketplace_starter(factory) as start_marketplace:
        yield start_marketplace


@pytest.fixture
def free_port() -> str:
    """A free port, as text."""
    return str(ports.free_port())

"""Marketplaces of each topology on each bus, which ordinary journeys share; and ones of a test's own, to be broken."""

from collections.abc import AsyncIterator, Iterator

import pytest

from nextbuy.host import supervisor
from tests.journeys.marketplace import SHAPES, Bus, Lot, Marketplace, PutUp, Shape, ended, on_kafka, putting_up
from tests.journeys.people import Town

START_LIMIT = 180
"""Seconds; whichever journey comes first waits for its marketplace, and perhaps for a Kafka, to start."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the journeys through a shared marketplace time for its start."""
    for item in items:
        if "market" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(START_LIMIT))


@pytest.fixture(scope="session")
def lot() -> Iterator[Lot]:
    """Where marketplaces are put up."""
    lot = Lot()
    yield lot
    lot.clear()


@pytest.fixture(scope="session", params=SHAPES, ids=str)
def market(request: pytest.FixtureRequest, lot: Lot) -> Iterator[Marketplace]:
    """A marketplace that runs; its log holds no secret at the end of all journeys through it."""
    shape: Shape = request.param
    kafka = on_kafka(request.getfixturevalue("kafka_servers")) if shape.bus is Bus.KAFKA else {}
    market = lot.marketplace(f"{shape.topology.name}-{shape.bus}".lower(), shape.topology, **kafka)
    market.start()
    yield market
    assert market.stop() == 0, market.said()
    assert ended(market) == []


@pytest.fixture
async def town(market: Marketplace) -> AsyncIterator[Town]:
    """People who speak to it."""
    async with Town.around(market) as town:
        yield town


@pytest.fixture
def put_up(lot: Lot) -> Iterator[PutUp]:
    """Puts up marketplaces of the test's own."""
    with putting_up(lot) as put_up:
        yield put_up


@pytest.fixture
def free_port() -> str:
    """A port that nobody listens on, as it is typed."""
    return str(supervisor.free_port())

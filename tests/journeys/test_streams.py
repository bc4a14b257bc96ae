"""Streams announce changes within seconds, to the accounts concerned; they are bounded, and a stop ends them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from nextbuy.kit.http.change_streams import MAX_PER_ACCOUNT
from nextbuy.kit.http.server import STOP_TIMEOUT
from tests.journeys.journey_client import JourneyClient, Person
from tests.journeys.marketplace import StartMarketplace, Topology
from tests.waiting import until

PATH, ADMIN_PATH = "/notification/api/stream", "/admin/api/stream"
SOON = 5.0
"""Seconds from a change to its event, on a busy machine."""


class Stream:
    """An open stream that remembers the times of its events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.events: list[float] = []

    async def read(self) -> None:
        """Read until the stream ends."""
        async for line in self.response.content:
            if line.startswith(b"data:"):
                assert line == b"data:\n", "an event carries no data"
                self.events.append(time.monotonic())

    async def is_quiet(self) -> bool:
        """Return whether no event arrived for two seconds."""
        seen = len(self.events)
        await asyncio.sleep(2)
        return len(self.events) == seen


@asynccontextmanager
async def listening(client: JourneyClient, who: Person, path: str = PATH) -> AsyncIterator[Stream]:
    """Open a stream, and wait until it is quiet."""
    headers = {"authorization": f"Bearer {who.token}"}
    async with aiohttp.ClientSession() as session, session.get(f"{client.market.url}{path}", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        stream = Stream(answer)
        reading = asyncio.create_task(stream.read())
        await until(stream.is_quiet, "the stream is quiet", timeout=30.0)
        stream.events.clear()
        yield stream
        reading.cancel()


async def test_order_is_announced_to_buyer_seller_and_admins(client: JourneyClient) -> None:
    buyer, seller, other, admin = (
        await client.new_buyer(),
        await client.new_seller(),
        await client.new_buyer(),
        await client.admin(),
    )
    goods = await client.new_product(seller)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(listening(client, who)) for who in (buyer, seller, other)]
        streams.append(await stack.enter_async_context(listening(client, admin, ADMIN_PATH)))

        await client.buy(buyer, [(goods, 1)])
        bought = time.monotonic()

        concerned = [streams[0], streams[1], streams[3]]
        await until(lambda: all(stream.events for stream in concerned), "all are notified", timeout=SOON)
        assert max(stream.events[0] for stream in concerned) - bought < SOON
        assert streams[2].events == [], "another buyer is notified of the order"


async def test_streams_of_an_account_are_bounded_and_a_disconnect_frees_its_place(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    headers = {"authorization": f"Bearer {buyer.token}"}
    async with aiohttp.ClientSession(client.market.url, headers=headers) as session:
        streams = [await session.get(PATH) for _ in range(MAX_PER_ACCOUNT)]
        for stream in streams:
            await stream.content.readuntil(b"\n\n")
        async with session.get(PATH) as refused:
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert (await refused.json(content_type=None))["slug"] == "too-many-streams"

        streams[0].close()

        async def has_place() -> bool:
            answer = await session.get(PATH)
            streams.append(answer)
            return answer.status == 200

        await until(has_place, "a place is free", timeout=SOON)
        for stream in streams:
            stream.close()


async def test_only_admins_get_the_stream_of_admins(client: JourneyClient) -> None:
    assert (await client.request("GET", ADMIN_PATH, who=await client.new_buyer())).status == 403
    for path in (PATH, ADMIN_PATH):
        assert (await client.request("GET", path)).status == 401
        assert (await client.request("HEAD", path, who=await client.admin())).status == 200
        assert (await client.request("POST", path, {}, who=await client.admin())).status == 405


async def test_stream_ends_after_sign_out(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    headers = {"authorization": f"Bearer {buyer.token}"}
    async with aiohttp.ClientSession(client.market.url, headers=headers) as session, session.get(PATH) as stream:
        await stream.content.readuntil(b"\n\n")
        answer = await client.request("POST", "/auth/api/logout", {}, who=buyer)
        assert answer.status == 204

        async with asyncio.timeout(25):
            await stream.content.read()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topology", [Topology.ONE, Topology.MANY])
async def test_open_streams_end_as_soon_as_the_marketplace_stops(
    start_marketplace: StartMarketplace, topology: Topology
) -> None:
    market = start_marketplace(topology)
    async with JourneyClient.connect(market) as client, aiohttp.ClientSession(market.url) as session:
        streams = []
        for _ in range(3):
            buyer = await client.new_buyer()
            streams.append(await session.get(PATH, headers={"authorization": f"Bearer {buyer.token}"}))
            await streams[-1].content.readuntil(b"\n\n")
        stop = asyncio.create_task(asyncio.to_thread(market.stop))

        async with asyncio.timeout(STOP_TIMEOUT - 0.5):
            await asyncio.gather(*(stream.content.read() for stream in streams))
        assert await stop == 0, market.output()

    assert "Traceback" not in market.output()

"""A stream of events passes the gateway, and ends with its client, its service or its server."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.rpc import transports
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.kit.wire import EVENT_STREAM, Request, Response, StreamedResponse
from tests.gateway.conftest import SERVICES, OpenShop
from tests.waiting import until

PATH = "/notification/api/stream"


class Source:
    """A service with streams that send one event and then wait."""

    def __init__(self) -> None:
        self.open = 0
        self.more = asyncio.Event()

    async def handle(self, _request: Request) -> Response:
        return StreamedResponse(200, b"", EVENT_STREAM, chunks=self._chunks())

    async def _chunks(self) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            yield b"event: changed\ndata:\n\n"
            await self.more.wait()
            yield b": last\n\n"
        finally:
            self.open -= 1


@pytest.mark.parametrize("over_http", [False, True], ids=["in process", "over HTTP"])
async def test_event_arrives_while_the_stream_is_open_and_is_logged_as_a_short_request(
    open_shop: OpenShop,
    over_http: bool,  # noqa: FBT001
) -> None:
    source = Source()
    shop = await open_shop(source.handle, over_http=over_http)

    async with shop.session.get(PATH) as stream:
        assert (stream.status, stream.content_type) == (200, EVENT_STREAM)
        assert await stream.content.readuntil(b"\n\n") == b"event: changed\ndata:\n\n"
        await asyncio.sleep(0.5)
        source.more.set()
        assert await stream.content.read() == b": last\n\n"

    [line] = shop.lines("request")
    assert (line["status"], line["outcome"]) == (200, "ok")
    assert line["ms"] < 400


@pytest.mark.parametrize("over_http", [False, True], ids=["in process", "over HTTP"])
async def test_stream_ends_with_its_client(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    source = Source()
    shop = await open_shop(source.handle, over_http=over_http)
    stream = await shop.session.get(PATH)
    await stream.content.readuntil(b"\n\n")
    assert source.open == 1

    stream.close()

    await until(lambda: source.open == 0)


async def test_open_streams_take_no_connection_of_other_requests(open_shop: OpenShop) -> None:
    source = Source()

    async def handle(request: Request) -> Response:
        return await source.handle(request) if request.path == PATH else Response(200, b"{}")

    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serving(service_app(handle, body_limit=100), listener):
        scarce = {name: HttpTransport(name, url, streaming=True, connections=1) for name in SERVICES}
        shop = await open_shop(transports=scarce, timeout=2.0)
        streams = [await shop.session.get(PATH) for _ in range(3)]

        async with shop.session.get("/notification/api/notifications") as answer:
            assert answer.status == 200
        assert [stream.status for stream in streams] == [200, 200, 200]
        for stream in streams:
            stream.close()


async def test_silent_service_ends_the_stream(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "_MAX_SILENCE", 0.2)
    shop = await open_shop(Source().handle, over_http=True)

    async with shop.session.get(PATH) as stream:
        assert await stream.content.read() == b"event: changed\ndata:\n\n"


async def test_stream_ends_as_soon_as_its_server_stops() -> None:
    source = Source()
    listener = listen("127.0.0.1", 0)
    async with serving(service_app(source.handle, body_limit=100), listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(f"GET {PATH} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        await reader.readuntil(b"data:\n\n")
        stopped = time.monotonic()

    assert time.monotonic() - stopped < 1.0
    assert (await reader.read()).endswith(b"0\r\n\r\n")
    assert source.open == 0
    writer.close()

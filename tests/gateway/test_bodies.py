"""Limits on the size and time of requests."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from nextbuy.kit.wire import Request, Response
from tests.gateway.conftest import OpenShop
from tests.waiting import until

MIB = 2**20
BOTH_TRANSPORTS = pytest.mark.parametrize("over_http", [False, True], ids=["in-process", "over-http"])


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 2**16):
        yield b"x" * 2**16


@BOTH_TRANSPORTS
@pytest.mark.parametrize("chunked", [False, True], ids=["with-length", "in-chunks"])
async def test_body_of_maximum_size_is_forwarded(open_shop: OpenShop, over_http: bool, chunked: bool) -> None:  # noqa: FBT001
    async def handle(request: Request) -> Response:
        return Response(200, str(len(request.body)).encode())

    shop = await open_shop(handle, over_http=over_http)
    async with shop.session.post("/product/api/x", data=chunks(MIB) if chunked else b"x" * MIB) as response:
        assert (response.status, await response.text()) == (200, str(MIB))


@BOTH_TRANSPORTS
async def test_too_long_body_is_refused_by_announced_length(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    shop = await open_shop(over_http=over_http)
    head = f"POST /product/api/x HTTP/1.1\r\nhost: x\r\ncontent-length: {MIB + 1}\r\n\r\n"
    status, received = await shop.raw(head.encode())
    assert status == 413
    assert b"body-too-large" in received
    assert shop.requests == []


@BOTH_TRANSPORTS
async def test_too_long_chunked_body_is_refused_while_read(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    shop = await open_shop(over_http=over_http)
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(b"POST /product/api/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
    for _ in range(17):
        writer.write(chunk)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 413 " in head
    writer.close()
    assert shop.requests == []


@BOTH_TRANSPORTS
async def test_missing_body_times_out(
    open_shop: OpenShop,
    over_http: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nextbuy.gateway.app.BODY_TIMEOUT", 0.05)
    shop = await open_shop(over_http=over_http)
    for size in (10, 500_000):
        status, received = await shop.raw(
            f"POST /product/api/x HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\nx".encode()
        )
        assert status == 408, received
        assert b"request-timeout" in received


@BOTH_TRANSPORTS
async def test_disconnect_during_body_is_logged_once(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    shop = await open_shop(over_http=over_http)
    for size in (10, 500_000):
        _, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(f"POST /product/api/x HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\nx".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await until(lambda: len(shop.lines("request")) == 2)
    assert {line["outcome"] for line in shop.lines("request")} == {"client-gone"}
    assert shop.requests == []


@pytest.mark.parametrize("headers", [{f"x-{n}": "1" for n in range(101)}, {"x-long": "x" * 17_000}])
async def test_too_many_or_too_long_headers_are_refused(open_shop: OpenShop, headers: dict[str, str]) -> None:
    shop = await open_shop()
    async with shop.session.get("/product/api/x", headers=headers) as response:
        assert response.status == 431
    assert shop.requests == []


async def test_endless_headers_are_cut_off(open_shop: OpenShop) -> None:
    shop = await open_shop()
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(b"GET /product/api/x HTTP/1.1\r\nx-long: ")

    async def flood() -> None:
        while True:
            writer.write(b"x" * 2**16)
            await writer.drain()

    flooding = asyncio.create_task(flood())
    assert b" 431 " in await reader.readline()
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    writer.close()


@pytest.mark.parametrize("length", ["-1", "1, 1", "x", "9" * 30])
async def test_invalid_length_is_refused(open_shop: OpenShop, length: str) -> None:
    shop = await open_shop()
    status, _ = await shop.raw(
        f"POST /product/api/x HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n".encode()
    )
    assert status in {400, 413}
    assert shop.requests == []

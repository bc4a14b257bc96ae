"""Malformed requests as bytes on a socket of the gateway, which no client library would send."""

import asyncio
import json
from typing import Final

import pytest

from nextbuy.kit.wire import Response
from tests.hostile import junk
from tests.hostile.hostile_fixture import HostileMarket
from tests.hostile.judging import fault
from tests.hostile.odd_headers import HEADERS, TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS: Final = (
    b"/order/api/order-details/\xf0\x9f\xa7\xbf",
    b"/order/api/order-details/%F0%9F%A7%BF",
    b"/order/api/order-details/" + b"x" * 1_900,
    b"/order/api/order-details/" + b"x" * 20_000,
    b"/order/api/order-details/%00",
    b"/order/api/order-details/..%2f..",
    b"/order/api/order-details/../user-orders",
    b"/order/api//user-orders",
    b"/order/api/user-orders/",
    b"/order/api/user-orders;a=b",
    b"/order/api/user-orders?" + b"x" * 5_000,
    b"/order/api/user-orders?%00=%ff&limit=\xff",
    b"/order/api/user-orders?limit=%D9%A3",
    b"/order/api",
    b"/order/api/",
    b"/ORDER/api/user-orders",
    b"/order/internal/validate-user",
    b"/auth/internal/validate-user",
    b"/auth/%69nternal/validate-user",
    b"/auth/api/../internal/validate-user",
    b"/auth//internal/validate-user",
    b"/AUTH/INTERNAL/validate-user",
    b"/auth/internal/validate-user%00",
    b"/nobody/api/anything",
    b"*",
    b"//",
    b"/\\..\\",
    b"http://elsewhere.test/order/api/user-orders",
)


async def exchange(market: HostileMarket, raw: bytes, *, half: bool = False) -> Response | None:
    """Send bytes to the gateway; return the first response, or None if it only closed. `half` closes our side first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", market.port, limit=2**20)
    try:
        async with asyncio.timeout(8):
            writer.write(raw)
            if half:
                writer.write_eof()
            head = await _head(reader)
            if not head:
                return None
            lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            return Response(int(lines[0].split()[1]), body, headers.get("content-type", ""), [*headers.items()])
    finally:
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def request(market: HostileMarket, method: str, path: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request with a valid token."""
    lines = [
        method.encode("latin-1") + b" " + path + b" HTTP/1.1",
        b"host: shop.test",
        b"authorization: Bearer " + market.people["third_buyer"].token.encode(),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", b""]) + body


def assert_valid(answer: Response | None, sent: bytes) -> None:
    """Fail if a response breaks a rule."""
    if answer is None or answer.status < 400:
        return
    wrong = fault(answer, page=True)
    assert wrong is None, f"{sent[:200]!r}\n    {wrong}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_odd_paths(market: HostileMarket, method: str) -> None:
    for path in PATHS:
        raw = request(market, method, path, b"content-length: 0", b"connection: close")
        answer = await exchange(market, raw)
        assert_valid(answer, raw)
        if b"nternal" in path.lower() or b"INTERNAL" in path:
            assert answer is not None
            assert answer.status in {400, 404}, path


async def test_odd_headers(market: HostileMarket) -> None:
    token = market.people["third_buyer"].token
    for headers in HEADERS:
        pairs = [
            f"{name}: {value.replace(TOKEN, token)}".encode("latin-1")
            for name, value in headers.items()
            if value is not None
        ]
        for path, body in ((b"/order/api/user-orders", b""), (b"/order/api/create-payment-session", b"{}")):
            method = "POST" if body else "GET"
            length = b"content-length: %d" % len(body)
            more = [b"content-type: application/json", b"connection: close"]
            fields = pairs if "content-length" in headers else [*pairs, length]
            lines = [method.encode() + b" " + path + b" HTTP/1.1", b"host: shop.test", *fields, *more, b"", b""]
            raw = b"\r\n".join(lines) + body
            assert_valid(await exchange(market, raw, half="content-length" in headers), raw)


@pytest.mark.parametrize(
    "framing",
    [
        (b"content-length: 5", b"{}", True),
        (b"content-length: 1", b"{}", False),
        (b"content-length: 99999999999", b"{}", False),
        (b"content-length: -2", b"{}", False),
        (b"content-length: 2\r\ncontent-length: 3", b"{}", False),
        (b"content-length: 2\r\ntransfer-encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", False),
        (b"transfer-encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", False),
        (b"transfer-encoding: chunked", b"zz\r\n{}\r\n", False),
        (b"transfer-encoding: chunked", b"fffffffffffffffff\r\n{}\r\n", False),
        (b"transfer-encoding: gzip", b"{}", True),
        (b"content-length: 2000000", b"x" * 2_000_000, False),
        (b"transfer-encoding: chunked", b"186a0\r\n" + b"x" * 100_000 + b"\r\n0\r\n\r\n", False),
        (b"content-length: 2\r\nx-nextbuy-deadline-ms: 0\r\nx-nextbuy-service: order.1.x", b"{}", False),
        (b"content-length: 2\r\n" + b"\r\n".join(b"x-%d: y" % n for n in range(150)), b"{}", False),
        (b"content-length: 2\r\nx: " + b"y" * 40_000, b"{}", False),
    ],
    ids=lambda framing: framing[0][:50].decode(),
)
async def test_odd_framing(market: HostileMarket, framing: tuple[bytes, bytes, bool]) -> None:
    length, body, half = framing
    kind = b"content-type: application/json"
    raw = request(market, "POST", b"/order/api/create-payment-session", length, kind, b"connection: close", body=body)
    assert_valid(await exchange(market, raw, half=half), raw)


async def test_bad_bodies(market: HostileMarket) -> None:
    for path in (b"/auth/api/register", b"/order/api/create-payment-session", b"/order/api/payment-webhook"):
        for body in junk.BODIES:
            length = b"content-length: %d" % len(body)
            raw = request(
                market, "POST", path, length, b"content-type: application/json", b"connection: close", body=body
            )
            answer = await exchange(market, raw)
            assert_valid(answer, raw)
            assert answer is not None
            assert answer.status in {400, 413, 422}, f"{path!r} {body[:60]!r}: {answer.status}"


async def test_checkout_still_works_afterwards(market: HostileMarket) -> None:
    body = json.dumps({"lines": [{"product_id": market.ids_for_sale["product_id"], "quantity": 1}]}).encode()
    length = b"content-length: %d" % len(body)
    raw = request(
        market, "POST", b"/order/api/create-payment-session", length, b"content-type: application/json", body=body
    )
    answer = await exchange(market, raw)
    assert answer is not None
    assert answer.status == 201

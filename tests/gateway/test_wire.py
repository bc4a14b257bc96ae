"""Requests as bytes on a socket: what is not valid HTTP is refused with a problem document and logged."""

import asyncio
import json
from typing import Any

import pytest

from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.wire import PROBLEM, Request, Response
from tests.gateway.conftest import OpenShop, Shop

GET = b"GET /product/api/x HTTP/1.1\r\n"
POST = b"POST /product/api/x HTTP/1.1\r\nhost: x\r\n"
VALID = GET + b"host: x\r\n"
END = b"connection: close\r\n\r\n"
HOSTS = [
    b"",
    b"host: a\r\nhost: b\r\n",
    b"host: a\r\nhost: a\r\n",
    b"host:\r\n",
    b"host: a b\r\n",
    b"host: a, b\r\n",
    b"host: a/b\r\n",
    b"host: me@a\r\n",
    b"host: a:b\r\n",
    b"host: a:1:2\r\n",
    b"host: a:123456\r\n",
    b"host: ::1\r\n",
    b"host: [::1\r\n",
    b"host: [1:2]\r\n",
    b"host: caf\xe9\r\n",
    b"host: a%zz\r\n",
]
ENCODINGS = [
    b"transfer-encoding: identity\r\n",
    b"transfer-encoding: identity, chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n",
    b"transfer-encoding: chunked, chunked\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip\r\n",
    b"transfer-encoding: chunked, gzip\r\n",
    b"transfer-encoding: x\r\n",
    b"transfer-encoding:\r\n",
]
MALFORMED = {
    "no request line": b"hello\r\n\r\n",
    "unknown method": b"FETCH / HTTP/1.1\r\nhost: x\r\n\r\n",
    "unknown protocol": b"GET / FTP/1.1\r\nhost: x\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "relative path": b"GET product/api/x HTTP/1.1\r\nhost: x\r\n\r\n",
    "absolute form without a path": b"GET http://x HTTP/1.1\r\nhost: x\r\n\r\n",
    "utf-8 in the path": "GET /product/api/café HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
    "utf-8 in the query": "GET /product/api/x?q=café HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
    "blank in the name of a header": VALID + b"x y: 1\r\n\r\n",
    "no colon": VALID + b"nothing\r\n\r\n",
    "NUL in a header": VALID + b"x: a\0b\r\n\r\n",
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "negative length": POST + b"content-length: -2\r\n\r\n{}",
    "length and chunked": POST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "size of a chunk": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "long size of a chunk": POST + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n",
    "end of a chunk": POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
}


def responses(received: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Return status, headers and body of each response."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        size = int(headers.get("content-length", "0"))
        found.append((int(first.split()[1]), headers, received[:size]))
        received = received[size:]
    return found


async def exchange(shop: Shop, *parts: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Send bytes in parts, with a moment between them, and return the responses until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        received = await reader.read()
    writer.close()
    return responses(received)


def assert_refused(shop: Shop, found: list[tuple[int, dict[str, str], bytes]], status: int) -> dict[str, Any]:
    """Fail unless the only response is a logged problem document after which the connection closes; return it."""
    [(actual, headers, body)] = found
    problem: dict[str, Any] = json.loads(body)
    assert (actual, problem["status"], headers["content-type"]) == (status, status, PROBLEM)
    assert headers["connection"] == "close"
    assert problem["correlation_id"] == headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    [line] = shop.lines("request")
    assert (line["status"], line["outcome"]) == (status, problem["slug"])
    assert shop.requests == []
    return problem


@pytest.mark.parametrize("host", HOSTS)
async def test_missing_doubled_or_invalid_host_is_refused(open_shop: OpenShop, host: bytes) -> None:
    shop = await open_shop()

    problem = assert_refused(shop, await exchange(shop, GET + host + b"\r\n"), 400)

    assert problem["slug"] in {"invalid-host", "malformed-request"}


@pytest.mark.parametrize(
    "host", [b"a", b"shop_1.test:8080", b"127.0.0.1:1", b"[::1]", b"[::1]:8080", b"a%2Db", b"a:", b"a \t"]
)
async def test_valid_host_is_accepted(open_shop: OpenShop, host: bytes) -> None:
    shop = await open_shop()

    [(status, _, _)] = await exchange(shop, GET + b"Host: " + host + b"\r\n" + END)

    assert status == 200


async def test_http_1_0_needs_no_host(open_shop: OpenShop) -> None:
    shop = await open_shop()

    [(status, _, _)] = await exchange(shop, b"GET /product/api/x HTTP/1.0\r\n\r\n")

    assert status == 200


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_other_transfer_encoding_than_chunked_is_refused(open_shop: OpenShop, encoding: bytes) -> None:
    shop = await open_shop()

    found = await exchange(shop, POST + encoding + b"\r\n0\r\n\r\n")

    assert assert_refused(shop, found, 400)["slug"] in {"invalid-transfer-encoding", "malformed-request"}


async def test_chunked_body_of_http_1_0_is_refused(open_shop: OpenShop) -> None:
    shop = await open_shop()
    request = b"POST /product/api/x HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"

    assert_refused(shop, await exchange(shop, request), 400)


@pytest.mark.parametrize("encoding", [b"chunked", b"Chunked", b" chunked "])
async def test_chunked_body_is_accepted(open_shop: OpenShop, encoding: bytes) -> None:
    shop = await open_shop()

    [(status, _, _)] = await exchange(
        shop, POST + b"transfer-encoding: " + encoding + b"\r\n" + END + b"2\r\n{}\r\n0\r\n\r\n"
    )

    assert (status, shop.requests[0].body) == (200, b"{}")


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("split", [False, True], ids=["whole", "in parts"])
async def test_refusal_of_the_parser_is_a_logged_problem(
    open_shop: OpenShop,
    request_bytes: bytes,
    split: bool,  # noqa: FBT001
) -> None:
    shop = await open_shop()
    cut = request_bytes.find(b"\r\n\r\n") + 4 if split else 0

    assert_refused(shop, await exchange(shop, *filter(None, (request_bytes[:cut], request_bytes[cut:]))), 400)


async def test_characters_that_need_encoding_are_named(open_shop: OpenShop) -> None:
    shop = await open_shop()

    problem = assert_refused(shop, await exchange(shop, MALFORMED["utf-8 in the query"]), 400)

    assert "percent-encode" in problem["detail"].lower()


async def test_tunnel_is_refused_with_the_methods_that_are_supported(open_shop: OpenShop) -> None:
    shop = await open_shop()

    found = await exchange(shop, b"CONNECT shop.test:443 HTTP/1.1\r\nhost: shop.test:443\r\n\r\n")

    assert_refused(shop, found, 405)
    assert "get" in found[0][1]["allow"]


async def test_endless_head_is_refused_as_a_logged_problem(open_shop: OpenShop) -> None:
    shop = await open_shop()

    found = await exchange(shop, GET, b"host: x\r\nx: ", *[b"y" * 20_000] * 2)

    assert assert_refused(shop, found, 431)["slug"] == "headers-too-large"


@pytest.mark.parametrize("size", [40_000, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("url", ["/product/api/{}", "/product/api/x?q={}"], ids=["path", "query"])
@pytest.mark.parametrize("in_parts", [False, True], ids=["at once", "in parts"])
async def test_longest_url_is_refused_as_too_long(open_shop: OpenShop, url: str, size: int, *, in_parts: bool) -> None:
    shop = await open_shop()
    sent = f"GET {url.format('a' * size)} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    step = len(sent) // 3 + 1 if in_parts else len(sent)

    found = await exchange(shop, *(sent[at : at + step] for at in range(0, len(sent), step)))

    assert assert_refused(shop, found, 414)["slug"] == "url-too-long"


async def test_requests_before_a_malformed_one_are_answered_first(open_shop: OpenShop) -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.05)
        return Response(200, b"{}")

    shop = await open_shop(slow)

    found = await exchange(shop, (VALID + b"\r\n") * 2 + b"hello\r\n\r\n" + VALID + b"\r\n")

    assert [status for status, _, _ in found] == [200, 200, 400]


async def test_malformed_body_of_an_answered_request_closes_the_connection(open_shop: OpenShop) -> None:
    shop = await open_shop()

    found = await exchange(shop, VALID + b"transfer-encoding: chunked\r\n\r\n", b"zz\r\n")

    assert [status for status, _, _ in found] == [200]


OFFERS = [
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\nsec-websocket-version: 13\r\n",
    b"connection: upgrade\r\nupgrade: TLS/1.2\r\nupgrade: x\r\n",
]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize(
    "body",
    [
        [b'content-length: 7\r\n\r\n{"a":1}'],
        [b"content-length: 7\r\n\r\n", b'{"a"', b":1}"],
        [b'transfer-encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n0\r\n\r\n'],
    ],
)
async def test_offer_of_another_protocol_is_passed_over(open_shop: OpenShop, offer: bytes, body: list[bytes]) -> None:
    shop = await open_shop()
    first, *rest = body
    *_, last = rest or [b""]

    found = await exchange(
        shop, POST + offer + first, *rest[:-1], last + POST + offer + b"content-length: 1\r\n\r\n2" + VALID + END
    )

    assert [status for status, _, _ in found] == [200, 200, 200]
    assert [request.body for request in shop.requests] == [b'{"a":1}', b"2", b""]
    assert not {"upgrade", "http2-settings"} & shop.requests[0].headers.keys()


async def test_many_offers_are_passed_over(open_shop: OpenShop) -> None:
    shop = await open_shop()

    found = await exchange(shop, (VALID + OFFERS[2] + b"\r\n") * 500 + VALID + END)

    assert [status for status, _, _ in found] == [200] * 501


async def test_malformed_body_behind_an_offer_is_refused(open_shop: OpenShop) -> None:
    shop = await open_shop()

    found = await exchange(shop, POST + OFFERS[0] + b"transfer-encoding: chunked\r\n\r\nzz\r\n")

    assert_refused(shop, found, 400)


@pytest.mark.parametrize("request_bytes", [b"hello\r\n\r\n", GET + b"\r\n", MALFORMED["size of a chunk"]])
async def test_service_in_its_own_process_refuses_with_a_problem(request_bytes: bytes) -> None:
    async def never(_: Request) -> Response:
        raise AssertionError

    listener = listen("127.0.0.1", 0)
    async with serving(service_app(never, body_limit=100), listener):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(request_bytes)
        [(status, headers, body)] = responses(await reader.read())
        writer.close()

    assert (status, headers["content-type"]) == (400, PROBLEM)
    assert json.loads(body)["correlation_id"]

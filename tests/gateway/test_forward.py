"""Requests through the gateway, to services in its process and over HTTP."""

import asyncio
import json

import pytest

from nextbuy.contracts.errors import MethodNotAllowed, ServiceUnavailable, Unavailable
from nextbuy.kit.http.server import listen
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport
from nextbuy.kit.wire import PROBLEM, Request, Response, problem_response
from tests.gateway.conftest import OpenShop

BOTH_TRANSPORTS = pytest.mark.parametrize("over_http", [False, True], ids=["in-process", "over-http"])


@BOTH_TRANSPORTS
async def test_request_and_response_are_forwarded_unchanged(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    async def handle(request: Request) -> Response:
        return Response(
            201,
            request.body[::-1],
            "text/plain",
            [("location", "/there"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
        )

    shop = await open_shop(handle, over_http=over_http)
    async with shop.session.post(
        "/order/api/x?a=1&b=%20", data=b"abc", headers={"content-type": "text/x", "X-Odd": "1"}
    ) as response:
        assert (response.status, await response.read()) == (201, b"cba")
        assert response.headers["content-type"] == "text/plain"
        assert response.headers["location"] == "/there"
        assert response.headers.getall("set-cookie") == ["a=1", "b=2"]
    request = shop.requests[0]
    assert (request.method, request.path, request.query) == ("POST", "/order/api/x", "a=1&b=%20")
    assert request.headers["content-type"] == "text/x"
    assert request.headers["x-odd"] == "1"
    assert request.headers["x-nextbuy-client"] == "127.0.0.1"
    assert request.headers["x-nextbuy-deadline-ms"] == "10000"


@BOTH_TRANSPORTS
async def test_internal_headers_of_client_are_dropped(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    shop = await open_shop(over_http=over_http)
    forged = {
        "X-Nextbuy-Service": "order.9999999999.x",
        "X-NextBuy-Client": "1.2.3.4",
        "x-nextbuy-deadline-ms": "1",
        "x-nextbuy-background": "1",
        "TE": "x",
    }
    async with shop.session.get("/auth/api/me", headers=forged) as response:
        assert response.status == 200
    headers = shop.requests[0].headers
    assert headers.get("x-nextbuy-service", "").partition(".")[0] in {"", "gateway"}
    assert "te" not in headers
    assert "x-nextbuy-background" not in headers
    assert headers["x-nextbuy-client"] == "127.0.0.1"
    assert headers["x-nextbuy-deadline-ms"] == "3333"


@BOTH_TRANSPORTS
async def test_request_id_is_kept_or_generated_and_trace_continues(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    shop = await open_shop(over_http=over_http)
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    sent = {"x-request-id": "my-id", "traceparent": f"00-{trace_id}-b7ad6b7169203331-00"}
    async with shop.session.get("/product/api/x", headers=sent) as response:
        assert response.headers["x-request-id"] == "my-id"
    async with shop.session.post("/product/api/x", headers={"x-request-id": "invalid\tid"}) as response:
        generated = response.headers["x-request-id"]
    first, second = shop.requests
    assert first.headers["traceparent"].startswith(f"00-{trace_id}-")
    assert first.headers["traceparent"].endswith("-00")
    assert second.headers["traceparent"] == f"00-{generated}-{second.headers['traceparent'][36:52]}-01"
    outer, inner = shop.lines("request")[0], shop.lines("forward")[0]
    assert (outer["caller"], outer["callee"], outer["name"]) == ("client", "gateway", "GET /product/api/x")
    assert (inner["caller"], inner["callee"], inner["name"]) == ("gateway", "product", "GET /product/api/x")
    assert {outer["trace_id"], inner["trace_id"]} == {trace_id}
    assert inner["parent_id"] == outer["span_id"]
    assert outer["correlation_id"] == "my-id"


async def test_log_contains_no_query_header_body_or_token(open_shop: OpenShop) -> None:
    shop = await open_shop()
    headers = {"authorization": "Bearer SECRET", "cookie": "nextbuy_access=SECRET"}
    async with shop.session.post(
        "/auth/api/login?password=SECRET", json={"password": "SECRET"}, headers=headers
    ) as response:
        assert response.status == 200
    async with shop.session.get("/auth/api/eyJhbGciOi.SECRET.x") as response:
        assert response.status == 200
    async with shop.session.get("/SECRET/x") as response:
        assert response.status == 404
    assert "SECRET" not in shop.journal.read_text()
    assert len(shop.lines("request")) == 3


@BOTH_TRANSPORTS
async def test_slow_service_times_out(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    ended = asyncio.Event()

    async def handle(_: Request) -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Response(200)

    shop = await open_shop(handle, over_http=over_http, timeout=0.05)
    async with shop.session.post("/order/api/x") as response:
        assert response.status == 504
        assert (await response.json(content_type=PROBLEM))["slug"] == "deadline-passed"
        assert "retry-after" in response.headers
    if not over_http:
        assert ended.is_set()
    assert shop.lines("forward")[0]["outcome"] == "deadline-passed"


async def test_unreachable_service_is_unavailable_then_breaker_opens(open_shop: OpenShop) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    shop = await open_shop(
        transports={
            "order": HttpTransport("order", f"http://127.0.0.1:{port}", streaming=True),
            "auth": LocalTransport("auth", lambda: None, isolated=False),
        }
    )
    slugs = []
    for _ in range(6):
        async with shop.session.post("/order/api/x") as response:
            assert response.status == 503
            assert int(response.headers["retry-after"]) >= 1
            slugs.append((await response.json(content_type=PROBLEM))["slug"])
    assert slugs == ["order-unavailable"] * 5 + ["breaker-open"]
    async with shop.session.get("/auth/api/me") as response:
        assert (await response.json(content_type=PROBLEM))["slug"] == "auth-unavailable"


@BOTH_TRANSPORTS
async def test_read_is_retried_once_and_mutation_never(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    failures = 1

    async def handle(_: Request) -> Response:
        nonlocal failures
        failures -= 1
        return Response(503) if failures >= 0 else Response(200, b"{}")

    shop = await open_shop(handle, over_http=over_http)
    async with shop.session.get("/product/api/x") as response:
        assert response.status == 200
    assert [line["attempt"] for line in shop.lines("forward")] == [1, 2]
    failures = 1
    async with shop.session.post("/product/api/x") as response:
        assert response.status == 503
    assert len(shop.requests) == 3


@BOTH_TRANSPORTS
async def test_hanging_read_is_retried_in_time(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    never = asyncio.Event()
    hangs = True

    async def handle(_: Request) -> Response:
        nonlocal hangs
        if hangs:
            hangs = False
            await never.wait()
        return Response(200, b"{}")

    shop = await open_shop(handle, over_http=over_http, timeout=1.0)
    async with shop.session.get("/product/api/x") as response:
        assert response.status == 200
    assert [line["outcome"] for line in shop.lines("forward")] == ["deadline-passed", "ok"]
    never.set()


async def test_retry_after_of_service_prevents_retry(open_shop: OpenShop) -> None:
    async def handle(_: Request) -> Response:
        return problem_response(Unavailable("Later.", retry_after=7), "x")

    shop = await open_shop(handle)
    async with shop.session.get("/product/api/x") as response:
        assert (response.status, response.headers["retry-after"]) == (503, "7")
    assert len(shop.requests) == 1


async def test_missing_dependency_of_service_does_not_open_breaker(open_shop: OpenShop) -> None:
    async def handle(request: Request) -> Response:
        if request.method == "POST":
            return problem_response(ServiceUnavailable("product"), "x")
        return Response(200, b"{}")

    shop = await open_shop(handle)
    for _ in range(20):
        async with shop.session.post("/order/api/create-payment-session") as response:
            assert response.status == 503
    async with shop.session.get("/order/api/user-orders") as response:
        assert response.status == 200


async def test_crashes_open_breaker_and_refusals_do_not(open_shop: OpenShop) -> None:
    async def handle(request: Request) -> Response:
        if request.path.endswith("crash"):
            message = "a defect"
            raise RuntimeError(message)
        return Response(429 if request.path.endswith("busy") else 409, b"{}")

    shop = await open_shop(handle)
    for word, status in (("busy", 429), ("refused", 409)):
        for _ in range(20):
            async with shop.session.post(f"/order/api/{word}") as response:
                assert response.status == status
    for _ in range(5):
        async with shop.session.post("/order/api/crash") as response:
            assert response.status == 500
            assert "a defect" not in await response.text()
    async with shop.session.post("/order/api/refused") as response:
        assert response.status == 503


@BOTH_TRANSPORTS
async def test_head_has_no_body(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    shop = await open_shop(over_http=over_http)
    async with shop.session.head("/product/api/x") as response:
        assert response.status == 200
        assert response.headers["content-length"] == str(len(json.dumps({"ok": True}, separators=(",", ":"))))
        assert await response.read() == b""


@BOTH_TRANSPORTS
async def test_large_response_is_forwarded(open_shop: OpenShop, over_http: bool) -> None:  # noqa: FBT001
    picture = bytes(range(256)) * 12_000

    async def handle(_: Request) -> Response:
        return Response(200, picture, "image/png")

    shop = await open_shop(handle, over_http=over_http)
    async with shop.session.get("/product/api/picture/1") as response:
        assert await response.read() == picture
        assert response.headers["content-length"] == str(len(picture))


@BOTH_TRANSPORTS
@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "OPTIONS", "PATCH"])
async def test_service_refuses_other_methods_itself(open_shop: OpenShop, method: str, over_http: bool) -> None:  # noqa: FBT001
    async def handle(request: Request) -> Response:
        return problem_response(MethodNotAllowed.only("POST"), "x") if request.method == method else Response(500)

    shop = await open_shop(handle, over_http=over_http)

    async with shop.session.request(method, "/product/api/x") as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")

"""Headers of every response, CORS, and the gateway's own endpoints."""

import asyncio
import base64
import hashlib
import re

import pytest

from nextbuy.kit.config import Settings, from_environment
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.observability.telemetry import JsonFormatter
from nextbuy.kit.wire import PROBLEM, Request, Response
from tests.gateway.conftest import OpenShop

ORIGIN = "https://shop.example"
LISTED = Settings(secret=b"s" * 16, rate_limits=False, cors_origins=(ORIGIN,))


@pytest.mark.parametrize(
    "path", ["/product/api/x", "/nowhere", "/health/live", "/health/ready", "/openapi.json", "/docs", "/"]
)
async def test_every_response_has_security_headers(open_shop: OpenShop, path: str) -> None:
    shop = await open_shop()
    async with shop.session.get(path, allow_redirects=False) as response:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "'unsafe" not in response.headers["content-security-policy"]
        assert "referrer-policy" in response.headers
        assert "cross-origin-resource-policy" in response.headers
        assert "cache-control" in response.headers
        assert "x-request-id" in response.headers
        assert "server" not in response.headers


async def test_header_of_service_has_precedence(open_shop: OpenShop) -> None:
    async def handle(_: Request) -> Response:
        headers = [
            ("content-security-policy", "default-src 'self'"),
            ("Cache-Control", "public, max-age=60"),
            ("connection", "x"),
        ]
        return Response(200, b"<p>", "text/html", headers)

    shop = await open_shop(handle)
    async with shop.session.get("/simulator/api/pay/x") as response:
        assert response.headers.getall("content-security-policy") == ["default-src 'self'"]
        assert response.headers.getall("cache-control") == ["public, max-age=60"]
        assert "connection" not in response.headers


async def test_only_listed_origins_read_responses(open_shop: OpenShop) -> None:
    shop = await open_shop(settings=LISTED)
    for path in ("/product/api/x", "/nowhere", "/openapi.json"):
        async with shop.session.get(path, headers={"origin": ORIGIN}) as response:
            assert response.headers["access-control-allow-origin"] == ORIGIN
            assert response.headers["access-control-allow-credentials"] == "true"
            assert "ETag" in response.headers["access-control-expose-headers"].split(", ")
            assert "Origin" in response.headers.getall("vary")
        async with shop.session.get(path, headers={"origin": "https://evil.example"}) as response:
            assert "access-control-allow-origin" not in response.headers
            assert "Origin" in response.headers.getall("vary")
    shop = await open_shop()
    async with shop.session.get("/product/api/x", headers={"origin": ORIGIN}) as response:
        assert "access-control-allow-origin" not in response.headers


async def test_preflight_needs_no_service(open_shop: OpenShop) -> None:
    shop = await open_shop(settings=LISTED)
    asks = {"origin": ORIGIN, "access-control-request-method": "PUT", "access-control-request-headers": "authorization"}
    async with shop.session.options("/product/api/x", headers=asks) as response:
        assert response.status == 204
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "PUT" in response.headers["access-control-allow-methods"]
        allowed = response.headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "if-match", "if-none-match"} <= set(allowed)
    async with shop.session.options("/product/api/x", headers=asks | {"origin": "https://evil.example"}) as response:
        assert "access-control-allow-methods" not in response.headers
        assert "access-control-allow-origin" not in response.headers
    assert shop.requests == []


@pytest.mark.parametrize("origins", ["*", "shop.example", "https://shop.example/path", "ftp://shop.example", "null"])
def test_invalid_origin_is_refused_at_start(origins: str) -> None:
    with pytest.raises(ConfigError, match="CORS_ORIGINS"):
        from_environment({"NEXTBUY_CORS_ORIGINS": origins})


def test_origins_are_comma_separated() -> None:
    settings = from_environment({"NEXTBUY_CORS_ORIGINS": "https://a.example, http://localhost:3000/"})
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert from_environment({}).cors_origins == ()


async def test_readiness_has_state_of_each_service(open_shop: OpenShop) -> None:
    shop = await open_shop()
    shop.states.update(order="up", redis="degraded")
    async with shop.session.get("/health/ready") as response:
        assert response.status == 200
        assert await response.json() == {"status": "ready", "checks": {"order": "up", "redis": "degraded"}}
    shop = await open_shop()
    shop.states.update(order="down")
    async with shop.session.get("/health/ready") as response:
        assert response.status == 503
        assert (await response.json())["checks"] == {"order": "down"}
    async with shop.session.get("/health/live") as response:
        assert response.status == 200
    async with shop.session.post("/health/live") as response:
        assert response.status == 405


@pytest.mark.parametrize("path", ["/docs", "/docs/problems", "/docs/events"])
async def test_api_browser_is_self_contained(open_shop: OpenShop, path: str) -> None:
    shop = await open_shop()
    async with shop.session.get(path) as response:
        assert response.content_type == "text/html"
        page = await response.text()
        policy = response.headers["content-security-policy"]
    assert "//" not in policy
    # The policy allows exactly the scripts and the style of the page, each by its hash.
    inside = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", page, re.DOTALL)
    assert len(inside) == 3
    for part in inside:
        assert len(part) > 1_000
        assert base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() in policy
    assert "src=" not in page
    assert 'rel="stylesheet"' not in page
    assert "onclick" not in page


async def test_root_without_pages_redirects_to_api_browser(open_shop: OpenShop) -> None:
    shop = await open_shop()
    async with shop.session.get("/", allow_redirects=False) as response:
        assert (response.status, response.headers["location"]) == (307, "/docs")


async def test_other_paths_are_pages(open_shop: OpenShop) -> None:
    seen: list[str] = []

    async def pages(request: Request) -> Response:
        seen.append(request.path)
        return Response(200, request.body, "text/html", [("Content-Security-Policy", "default-src 'self'")])

    shop = await open_shop(pages=pages)

    async with shop.session.post("/product/blue-lamp", data=b"<p>") as response:
        assert (response.status, await response.read()) == (200, b"<p>")
        assert response.headers["content-security-policy"] == "default-src 'self'"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-length"] == "3"
        assert "x-request-id" in response.headers
    async with shop.session.get("/order/internal/x") as response:
        assert (response.status, response.content_type) == (404, PROBLEM)
    status, _ = await shop.raw(b"GET /a/%2e%2e/b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert status == 404
    assert seen == ["/product/blue-lamp"]


async def test_head_of_a_page_has_its_length_and_no_body(open_shop: OpenShop) -> None:
    async def pages(_: Request) -> Response:
        return Response(200, b"<p>", "text/html")

    shop = await open_shop(pages=pages)

    async with shop.session.head("/basket") as response:
        assert (response.headers["content-length"], await response.read()) == ("3", b"")


async def test_page_that_is_not_modified_has_no_length(open_shop: OpenShop) -> None:
    async def pages(_: Request) -> Response:
        return Response(304, b"", "", [("etag", '"a"')])

    shop = await open_shop(pages=pages)

    async with shop.session.get("/basket") as response:
        assert (response.status, response.headers["etag"]) == (304, '"a"')
        assert "content-length" not in response.headers
        assert "content-type" not in response.headers


async def test_page_that_crashes_is_a_500_with_an_id(open_shop: OpenShop, caplog: pytest.LogCaptureFixture) -> None:
    async def pages(_: Request) -> Response:
        message = "a defect"
        raise RuntimeError(message)

    shop = await open_shop(pages=pages)
    caplog.handler.setFormatter(JsonFormatter())

    async with shop.session.get("/basket") as response:
        problem = await response.json(content_type=PROBLEM)
    assert (response.status, problem["correlation_id"]) == (500, response.headers["x-request-id"])
    assert "a defect" not in problem["detail"]
    assert problem["correlation_id"] in caplog.text


async def test_problem_has_correlation_id(open_shop: OpenShop) -> None:
    shop = await open_shop()
    async with shop.session.get("/nowhere", headers={"x-request-id": "abc"}) as response:
        assert response.status == 404
        problem = await response.json(content_type=PROBLEM)
    assert problem["type"] == "/docs/problems#endpoint-not-found"
    assert problem["correlation_id"] == "abc"


async def test_concurrent_requests_share_one_readiness_check(open_shop: OpenShop) -> None:
    shop = await open_shop()
    shop.states["order"] = "up"

    responses = await asyncio.gather(*(shop.session.get("/health/ready") for _ in range(20)))

    assert {response.status for response in responses} == {200}
    assert shop.readiness_checks == 1
    for response in responses:
        response.release()


@pytest.mark.parametrize("keys", [("k", "k"), ("k", "l"), ("k", "")])
async def test_two_idempotency_keys_are_refused(open_shop: OpenShop, keys: tuple[str, str]) -> None:
    shop = await open_shop()
    headers = [("Idempotency-Key", key) for key in keys]

    async with shop.session.post("/order/api/x", headers=headers, json={}) as response:
        assert response.status == 422
        assert (await response.json(content_type=PROBLEM))["slug"] == "idempotency-key-invalid"

    assert shop.requests == []


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("LocalHost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("localhost", None),
        ("localhost:8081", None),
        ("localhost.:8080", None),
        ("evil.test:8080", None),
        ("127.0.0.2:8080", None),
    ],
)
async def test_only_loopback_names_at_the_own_port_are_followed(
    open_shop: OpenShop, host: str, origin: str | None
) -> None:
    shop = await open_shop(settings=from_environment({"NEXTBUY_RATE_LIMITS": "off"}, secret=b"s" * 16))
    headers = {"Host": host, "X-Nextbuy-Origin": "http://evil.test"}

    async with shop.session.get("/order/api/x", headers=headers) as response:
        assert response.status == 200

    assert shop.requests[0].headers.get("x-nextbuy-origin") == origin


@pytest.mark.parametrize("url", ["https://shop.example", "http://127.0.0.1:8080"])
async def test_no_host_is_followed_if_there_is_a_public_url(open_shop: OpenShop, url: str) -> None:
    environment = {"NEXTBUY_RATE_LIMITS": "off", "NEXTBUY_PUBLIC_URL": url}
    shop = await open_shop(settings=from_environment(environment, secret=b"s" * 16))

    async with shop.session.get("/order/api/x", headers={"Host": "localhost:8080"}) as response:
        assert response.status == 200

    assert "x-nextbuy-origin" not in shop.requests[0].headers

"""Rate limits of pages: a page counts once, for the visitor's own IP address, and its refusal is a page."""

import aiohttp
import pytest
from redis.asyncio import Redis

from nextbuy.gateway.limits import Limit
from nextbuy.kit.wire import CLIENT, PROBLEM, Handler, Request, Response
from tests.gateway.conftest import OpenShop

PAGE = Limit("page", burst=3, rate=0.05, batch=1, by_ip=True)
BROWSER = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pages at once, and a Redis that may be slow."""
    monkeypatch.setattr("nextbuy.gateway.limits.PAGE", PAGE)
    monkeypatch.setattr("nextbuy.gateway.limiter.STORE_TIMEOUT", 5.0)


def pages(send: Handler) -> Handler:
    """Return pages that send five requests each, and show their own path."""

    async def answer(request: Request) -> Response:
        if request.path == "/basket":
            for _ in range(5):
                await send(Request("GET", "/order/api/basket", "", {CLIENT: request.headers[CLIENT]}))
        return Response(200, f"<p>{request.target}</p>".encode(), "text/html", [("content-security-policy", "x")])

    return answer


async def test_page_counts_once_for_the_ip_address_of_its_visitor(open_shop: OpenShop, redis: Redis) -> None:
    shop = await open_shop(redis=redis, make_pages=pages)
    statuses: dict[str, list[int]] = {}
    for ip in ("127.0.0.2", "127.0.0.3"):
        connector = aiohttp.TCPConnector(local_addr=(ip, 0))
        async with aiohttp.ClientSession(shop.url, connector=connector) as session:
            statuses[ip] = []
            for _ in range(4):
                async with session.get("/basket") as response:
                    statuses[ip].append(response.status)

    assert statuses == {"127.0.0.2": [200, 200, 200, 429], "127.0.0.3": [200, 200, 200, 429]}
    clients = [request.headers[CLIENT] for request in shop.requests]
    assert clients == ["127.0.0.2"] * 15 + ["127.0.0.3"] * 15


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_browser_beyond_the_limit_gets_a_page_that_says_when_to_try_again(
    open_shop: OpenShop, redis: Redis, method: str
) -> None:
    shop = await open_shop(redis=redis, make_pages=pages)
    for _ in range(3):
        async with shop.session.request(method, "/orders", headers=BROWSER) as response:
            assert response.status == 200

    async with shop.session.request(method, "/orders", headers=BROWSER) as refused:
        assert (refused.status, refused.content_type) == (429, "text/html")
        seconds = int(refused.headers["retry-after"])
        assert 1 <= seconds <= 21
        assert await refused.text() == f"<p>/too-many-requests?seconds={seconds}</p>"
        assert refused.headers["content-security-policy"] == "x"
        assert refused.headers["cache-control"] == "no-store"
        assert "r=0" in refused.headers["ratelimit"]


async def test_program_beyond_the_limit_gets_a_problem_document(open_shop: OpenShop, redis: Redis) -> None:
    shop = await open_shop(redis=redis, make_pages=pages)
    for _ in range(3):
        async with shop.session.get("/orders") as response:
            assert response.status == 200

    async with shop.session.get("/orders") as refused:
        assert (refused.status, refused.content_type) == (429, PROBLEM)

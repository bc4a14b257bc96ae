"""Pages in a process of their own: it alone may name the visitor of a request, and a page counts once."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import pytest
from joserfc.jwk import ECKey
from msgspec.json import decode
from redis.asyncio import Redis

from nextbuy.contracts.values import Role, new_id
from nextbuy.gateway.limits import Limit
from nextbuy.host.serve_web import web_app
from nextbuy.kit.config import Settings
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.http.tokens import ACCESS_COOKIE, Identity, TokenVerifier, sign_token
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport
from nextbuy.kit.service_identity import GATEWAY, ServiceIdentity
from nextbuy.kit.wire import AGE, CLIENT, IDENTITY, JSON, PROBLEM, Request, Response
from tests.gateway.conftest import SERVICES, OpenShop, Shop

SECRET: Final = b"s" * 16
KEY: Final = ECKey.generate_key("P-256")
BROWSER: Final = {"accept": "text/html"}
API: Final = "/product/api/get-categories"


async def keys() -> Mapping[str, str]:
    return {"first": KEY.as_pem(private=False).decode()}


def token(role: Role) -> str:
    """Return the access token of an account with a role."""
    return sign_token(Identity(new_id(), role, new_id(), time.time() + 900), kid="first", key=KEY)


class Market(NamedTuple):
    """A gateway, the URL of its pages, and the requests that its services received."""

    shop: Shop
    web_url: str
    received: list[Request]


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pages at once, and no request of one IP address to the API."""
    monkeypatch.setattr("nextbuy.gateway.limits.PAGE", Limit("page", burst=3, rate=0.05, batch=1, by_ip=True))
    monkeypatch.setattr("nextbuy.gateway.limits.DEFAULT", Limit("default", burst=1, rate=0.05, batch=1))
    monkeypatch.setattr("nextbuy.gateway.limiter.STORE_TIMEOUT", 5.0)


@pytest.fixture
async def market(open_shop: OpenShop, redis: Redis, tmp_path: Path) -> AsyncIterator[Market]:
    """A marketplace whose pages run elsewhere and whose API knows no category."""
    received: list[Request] = []

    async def no_categories(request: Request) -> Response:
        received.append(request)
        return Response(200, b'{"items": []}', JSON, [(AGE, "0.250")])

    settings = Settings(secret=SECRET, data=tmp_path)
    listener = listen("127.0.0.1", 0)
    web_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    services = {name: LocalTransport(name, lambda: no_categories, isolated=False) for name in SERVICES}
    async with AsyncExitStack() as stack:
        shop = await open_shop(
            transports={**services, "web": HttpTransport("web", web_url, streaming=True)},
            settings=settings,
            redis=redis,
            verifier=TokenVerifier(keys),
        )
        gateway = HttpTransport(GATEWAY, shop.url)
        stack.push_async_callback(gateway.close)
        await stack.enter_async_context(serving(web_app(settings, gateway, demo=False), listener))
        yield Market(shop, web_url, received)


async def test_page_counts_once_for_the_ip_address_of_its_visitor(market: Market) -> None:
    statuses, text = [], ""
    for ip in ("127.0.0.2", "127.0.0.3"):
        connector = aiohttp.TCPConnector(local_addr=(ip, 0))
        async with aiohttp.ClientSession(market.shop.url, connector=connector, headers=BROWSER) as session:
            for at in range(4):
                async with session.get("/category/toys", headers={"cookie": f"nextbuy_basket={at}"}) as response:
                    statuses.append(response.status)
                    text = await response.text()
            assert "Too many requests" in text
    assert statuses == [404, 404, 404, 429] * 2
    clients = {request.headers[CLIENT] for request in market.received if request.path == API}
    assert clients == {"127.0.0.2", "127.0.0.3"}


async def test_age_of_data_reaches_the_page_and_never_a_client(market: Market) -> None:
    async with market.shop.session.get(API) as direct:
        assert AGE not in direct.headers
    headers = {CLIENT: "192.0.2.7"}
    gateway = HttpTransport(GATEWAY, market.shop.url)
    signed = await gateway.deliver(Request("GET", API, "", headers, sender=ServiceIdentity(SECRET, "web")), 5)
    await gateway.close()

    assert (AGE, "0.250") in signed.headers
    assert market.received[-1].headers[CLIENT] == "192.0.2.7"


async def test_false_signature_is_refused_and_counted_like_any_request(market: Market) -> None:
    gateway = HttpTransport(GATEWAY, market.shop.url)
    request = Request("GET", API, "", {CLIENT: "192.0.2.7"}, sender=ServiceIdentity(b"another secret", "web"))
    responses = [await gateway.deliver(request, 5) for _ in range(2)]
    await gateway.close()

    assert [(one.status, one.content_type) for one in responses] == [(401, PROBLEM), (429, PROBLEM)]
    assert market.received == []
    assert {line["caller"] for line in market.shop.lines("request")} == {"client"}


@pytest.mark.parametrize("name", ["order", GATEWAY])
async def test_no_service_may_name_a_visitor(market: Market, name: str) -> None:
    gateway = HttpTransport(GATEWAY, market.shop.url)
    request = Request("GET", API, "", {CLIENT: "192.0.2.7"}, sender=ServiceIdentity(SECRET, name))
    statuses = [(await gateway.deliver(request, 5)).status for _ in range(2)]
    await gateway.close()

    assert statuses == [200, 429]
    assert [one.headers[CLIENT] for one in market.received] == ["127.0.0.1"]
    assert IDENTITY not in market.received[0].headers


async def test_text_beyond_ascii_in_a_cookie_is_signed_as_it_is_sent(market: Market) -> None:
    async with market.shop.session.get("/category/toys", headers={**BROWSER, "cookie": "theme=café"}) as response:
        assert response.status == 404
    assert [one.headers["cookie"].encode("latin-1") for one in market.received if one.path == API] == [
        "theme=café".encode()
    ]


async def test_page_of_an_admin_reads_the_status_with_the_rights_of_the_admin(market: Market) -> None:
    gateway = HttpTransport(GATEWAY, market.shop.url)
    seen = []
    for role in (Role.ADMIN, Role.BUYER):
        headers = {CLIENT: "192.0.2.7", "cookie": f"{ACCESS_COOKIE}={token(role)}"}
        request = Request("GET", "/health/status", "", headers, sender=ServiceIdentity(SECRET, "web"))
        seen.append(decode((await gateway.deliver(request, 5)).body))
    await gateway.close()

    assert ["services" in one for one in seen] == [True, False]


async def test_signed_request_cannot_be_changed(market: Market) -> None:
    signature = ServiceIdentity(SECRET, "web").sign(GATEWAY, "GET", API, b"", {CLIENT: "192.0.2.7"})
    for client, status in (("192.0.2.8", 401), ("192.0.2.7", 200)):
        async with market.shop.session.get(API, headers={IDENTITY: signature, CLIENT: client}) as response:
            assert response.status == status


async def test_pages_answer_only_the_gateway(market: Market) -> None:
    async with aiohttp.ClientSession(market.web_url) as session, session.get("/terms", headers=BROWSER) as response:
        assert (response.status, response.content_type) == (401, PROBLEM)

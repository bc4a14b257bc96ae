"""A service answers only the gateway and other services, whatever else reaches its port."""

import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest

from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.app import App
from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.kit.service import Service, get, post
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import CLIENT, IDENTITY, Request

SECRET = b"a secret of sixteen bytes or more"
PATH = "/sample/api/address"


class Deps:
    """The dependencies of the sample service."""


async def address(_deps: Deps, caller: Caller) -> str:
    """Return the IP address of the client, as the gateway reports it."""
    return caller.ip_address


async def nothing(_deps: Deps, _caller: Caller) -> Nothing:
    return Nothing()


SAMPLE = Service(name="sample", deps=Deps, routes=[get("address", address), post("nothing", nothing)])


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The URL of the sample service, in its own process as far as HTTP can tell."""
    app = App(SAMPLE, Deps(), identity=ServiceIdentity(SECRET, "sample"))
    listener = listen("127.0.0.1", 0)
    async with serving(service_app(app.handle, body_limit=10_000), listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def request(sender: ServiceIdentity | None, *, query: str = "") -> Request:
    return Request("GET", PATH, query, {CLIENT: "192.0.2.7"}, sender=sender)


@pytest.mark.parametrize("query", ["", "a=b&c=%C3%A9", "a=%23&b=%2F+c", "=&&"])
async def test_request_of_the_gateway_is_served(url: str, query: str) -> None:
    transport = HttpTransport("sample", url)

    response = await transport.deliver(request(ServiceIdentity(SECRET, "gateway"), query=query), 2)

    assert (response.status, response.body) == (200, b'"192.0.2.7"')
    await transport.close()


@pytest.mark.parametrize("name", ["cookie", "authorization", "idempotency-key"])
async def test_bytes_beyond_ascii_in_a_signed_header_do_not_break_the_signature(url: str, name: str) -> None:
    transport, headers = HttpTransport("sample", url), {CLIENT: "192.0.2.7", name: "a=\xe9\xff"}
    sent = Request("GET", PATH, "", headers, sender=ServiceIdentity(SECRET, "gateway"))

    assert (await transport.deliver(sent, 2)).status == 200
    await transport.close()


@pytest.mark.parametrize(
    "sender",
    [None, ServiceIdentity(b"the secret of another marketplace", "gateway"), ServiceIdentity(SECRET, "order")],
    ids=["unsigned", "another marketplace", "another service"],
)
async def test_other_senders_are_refused_with_one_line(
    url: str, sender: ServiceIdentity | None, caplog: pytest.LogCaptureFixture
) -> None:
    transport = HttpTransport("sample", url)

    with caplog.at_level(logging.WARNING):
        response = await transport.deliver(request(sender), 2)

    assert (response.status, response.content_type) == (401, "application/problem+json")
    assert b"service-identity-required" in response.body
    [line] = caplog.records
    assert line.getMessage() == "request refused; neither the gateway nor a service signed it"
    assert (vars(line)["service"], vars(line)["method"], vars(line)["path"]) == ("sample", "GET", PATH)
    await transport.close()


@pytest.mark.parametrize("changed", ["method", "path", "query", "body", "client"])
async def test_request_that_was_changed_after_it_was_signed_is_refused(url: str, changed: str) -> None:
    signature = ServiceIdentity(SECRET, "gateway").sign(
        "sample", "POST", "/sample/api/nothing?a=1", b"{}", {CLIENT: "192.0.2.7"}
    )
    method = "PUT" if changed == "method" else "POST"
    path = "/sample/api/address" if changed == "path" else "/sample/api/nothing"
    query = "a=2" if changed == "query" else "a=1"
    body = b"{ }" if changed == "body" else b"{}"
    headers = {
        IDENTITY: signature,
        CLIENT: "192.0.2.8" if changed == "client" else "192.0.2.7",
        "content-type": "application/json",
    }

    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}{path}?{query}", data=body, headers=headers) as answer,
    ):
        assert answer.status == 401


async def test_health_endpoints_are_open(url: str) -> None:
    async with aiohttp.ClientSession(url) as session:
        for path in ("/health/live", "/health/ready"):
            async with session.get(path) as answer:
                assert answer.status == 200

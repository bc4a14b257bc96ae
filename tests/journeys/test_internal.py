"""Internal calls cannot be reached from outside."""

import asyncio

import pytest

from nextbuy.kit.service_identity import ServiceIdentity
from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import Bus, Deployment, Marketplace, Topology

SPELLINGS = [
    "/product/internal/release-stock",
    "/product//internal/release-stock",
    "//product/internal/release-stock",
    "/product/./internal/release-stock",
    "/product/api/../internal/release-stock",
    "/product/api/..%2finternal/release-stock",
    "/product/api/..%2Finternal%2Frelease-stock",
    "/product/api/%2e%2e/internal/release-stock",
    "/product/%69nternal/release-stock",
    "/product/%2569nternal/release-stock",
    "/product%2finternal%2frelease-stock",
    "/product/INTERNAL/release-stock",
    "/PRODUCT/internal/release-stock",
    "/Product/Internal/Release-Stock",
    "/product/internal/release-stock/",
    "/product/internal/release-stock?x=/product/api/get-all-products",
    "/product/internal/release-stock%00",
    "/product/internal;x/release-stock",
    "/product\\internal\\release-stock",
    "/product/api/get-all-products/../../internal/release-stock",
    "/order/api/../../product/internal/release-stock",
    "/docs/../product/internal/release-stock",
    "/internal/product/release-stock",
    "/auth/internal/set-account-status",
    "/admin/internal/receive-events",
    "/notification/internal/receive-events",
    "/analytics/internal/receive-events",
    "/analytics/internal/missing-events",
    "/order/internal/list-logged-events",
    "/order/internal/read-logged-events",
    "/simulator/internal/refund-payment",
]


BODY = b'{"session_id": "01900000-0000-7000-8000-000000000000"}'
RELEASE = "/product/internal/release-stock"


async def status_of(port: int, path: str, headers: str = "") -> int:
    """Send a path byte for byte, unnormalised, and return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = BODY
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}"
    writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def test_no_spelling_of_internal_path_passes_gateway(client: JourneyClient) -> None:
    since = client.market.log_size()
    identity = ServiceIdentity(client.market.settings_inside().secret, "order").sign("product", "POST", RELEASE, BODY)
    client.market.secrets.add(identity)
    for path in SPELLINGS:
        for headers in ("", f"X-Nextbuy-Service: {identity}\r\n"):
            assert await status_of(client.market.port, path, headers) in {400, 404, 405}, path
    reached = [line for line in client.market.lines(since) if line.get("kind") in {"forward", "call"}]
    assert [line for line in reached if "release-stock" in line["name"]] == []


async def test_internal_header_from_outside_is_ignored(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    response = await client.request("GET", "/auth/api/me", who=buyer, headers={"X-Nextbuy-Deadline-Ms": "1"})
    assert response.status == 200


@pytest.mark.parametrize("market", [Deployment(Topology.MANY, Bus.KAFKA)], indirect=True, ids=str)
async def test_service_port_answers_only_the_gateway_and_other_services(
    market: Marketplace, client: JourneyClient
) -> None:
    (port,) = {
        connection.laddr.port
        for connection in market.service("product").net_connections("tcp")
        if connection.status == "LISTEN"
    }
    secret = market.settings_inside().secret
    for_another = ServiceIdentity(secret, "order").sign("seller", "POST", RELEASE, BODY)
    not_its_call = ServiceIdentity(secret, "admin").sign("product", "POST", RELEASE, BODY)
    forged = ServiceIdentity(b"another secret of some length", "order").sign("product", "POST", RELEASE, BODY)
    of_another_body = ServiceIdentity(secret, "order").sign("product", "POST", RELEASE, b"{}")
    good = ServiceIdentity(secret, "order").sign("product", "POST", RELEASE, BODY)
    market.secrets |= {for_another, not_its_call, forged, of_another_body, good}
    for identity in (None, "", "x", for_another, not_its_call, forged, of_another_body):
        headers = "" if identity is None else f"X-Nextbuy-Service: {identity}\r\n"
        assert await status_of(port, RELEASE, headers) in {401, 403}, identity
    assert await status_of(port, RELEASE, f"X-Nextbuy-Service: {good}\r\n") == 200
    buyer = await client.new_buyer()
    bearer = {"Authorization": f"Bearer {buyer.token}", "X-Nextbuy-Client": "192.0.2.7"}
    since = market.log_size()
    for sent in ({}, bearer):
        direct = await client.request("GET", f"http://127.0.0.1:{port}/product/api/get-all-products", headers=sent)
        assert (direct.status, direct.slug) == (401, "service-identity-required")
    refused = [line for line in market.lines(since) if line.get("message", "").startswith("request refused")]
    assert [(line["service"], line["path"]) for line in refused] == [("product", "/product/api/get-all-products")] * 2
    for path in ("/health/live", "/health/ready"):
        assert (await client.request("GET", f"http://127.0.0.1:{port}{path}")).status == 200
    for spelling in SPELLINGS[1:15]:
        assert await status_of(port, spelling) in {400, 401, 403, 404}, spelling

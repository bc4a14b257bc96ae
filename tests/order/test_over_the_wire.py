"""The order service over bytes, as the gateway calls it."""

import asyncio
import json
from typing import Any

import pytest

from nextbuy.contracts.values import Role
from nextbuy.kit.wire import Request
from tests.callers import GATEWAY, account
from tests.order.http_client import HttpClient
from tests.order.market import Market


@pytest.fixture
def client(market: Market) -> HttpClient:
    """A client of the service."""
    return HttpClient(market)


async def test_checkout_from_basket_to_orders(market: Market, client: HttpClient) -> None:
    basket = {
        "lines": [{"product_id": str(market.product(market.shop(), price=1999)), "quantity": 2}],
        "address": {"full_name": "A", "line1": "B", "city": "C", "postal_code": "1", "country": "D"},
    }
    response = await client.request("POST", "create-payment-session", basket, by=market.buyer)
    assert response.status == 201
    session = json.loads(response.body)
    assert session["total"] == {"amount": 3998, "currency": "USD"}
    assert set(session["lines"][0]) == {"product_id", "shop_id", "title", "quantity", "unit_price"}
    event = market.provider_event(
        "checkout.session.completed", None, client_reference_id=session["session_id"], amount_total=3998
    )
    webhook = await client.app.handle(market.signed_request(event))
    assert webhook.status == 200
    session_status = json.loads(
        (await client.request("GET", f"payment-session/{session['session_id']}", by=market.buyer)).body
    )
    assert session_status["status"] == "paid"
    details = json.loads(
        (await client.request("GET", f"order-details/{session_status['order_ids'][0]}", by=market.buyer)).body
    )["order"]
    assert details["address"]["full_name"] == "A"
    assert set(details) >= {"id", "number", "session_id", "shop_id", "status", "lines", "total", "created_at"}
    listed = json.loads((await client.request("GET", "user-orders?limit=1", by=market.buyer)).body)
    assert listed["items"][0]["id"] == details["id"]
    assert listed["next_cursor"] is None


async def test_same_idempotency_key_makes_one_session(market: Market, client: HttpClient) -> None:
    basket = {"lines": [{"product_id": str(market.product(market.shop())), "quantity": 1}]}
    responses = await asyncio.gather(
        *(client.request("POST", "create-payment-session", basket, by=market.buyer, key="k1") for _ in range(10))
    )
    assert {response.status for response in responses} <= {201, 409}
    again = await client.request("POST", "create-payment-session", basket, by=market.buyer, key="k1")
    assert again.body == next(response.body for response in responses if response.status == 201)
    assert ("idempotency-replayed", "true") in again.headers
    assert len(market.held) == 1


ID = "0192f0c1-2345-7abc-8def-0123456789ab"
LINE = {"product_id": ID, "quantity": 1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"lines": []},
        {"lines": [LINE] * 51},
        {"lines": "x"},
        {"lines": [{**LINE, "quantity": 0}]},
        {"lines": [{**LINE, "quantity": -1}]},
        {"lines": [{**LINE, "quantity": 2**70}]},
        {"lines": [{**LINE, "quantity": 1.5}]},
        {"lines": [{**LINE, "product_id": "x"}]},
        {"lines": [LINE], "address": {"full_name": ""}},
        {
            "lines": [LINE],
            "address": {"full_name": "\0", "line1": "B", "city": "C", "postal_code": "1", "country": "D"},
        },
        {
            "lines": [LINE],
            "address": {"full_name": "\ud800", "line1": "B", "city": "C", "postal_code": "1", "country": "D"},
        },
        b"{",
        b"[" * 10_000,
        b"\xff",
    ],
    ids=lambda body: repr(body)[:40],
)
async def test_invalid_basket_is_unprocessable(market: Market, client: HttpClient, body: Any) -> None:  # noqa: ANN401
    response = await client.request("POST", "create-payment-session", body, by=market.buyer)
    assert (response.status, response.content_type) == (422, "application/problem+json")
    assert not market.calls.made


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("payment-session/x", 404),
        (f"payment-session/{ID}", 404),
        (f"order-details/{ID}", 404),
        (f"order-timeline/{ID}", 404),
        ("order-timeline/%00", 404),
        ("order-details/%00", 404),
        ("user-orders?limit=0", 422),
        ("user-orders?limit=99999999999999999999", 422),
        ("user-orders?cursor=%F0%9F%92%A9", 422),
        ("user-orders?cursor=WzFd", 422),
    ],
)
async def test_invalid_path_or_query_is_refused(market: Market, client: HttpClient, path: str, status: int) -> None:
    assert (await client.request("GET", path, by=market.buyer)).status == status


async def test_each_route_requires_its_role(market: Market, client: HttpClient) -> None:
    seller, admin = account(Role.SELLER), account(Role.ADMIN)
    assert (await client.request("POST", "create-payment-session", {"lines": [LINE]})).status == 401
    assert (await client.request("POST", "create-payment-session", {"lines": [LINE]}, by=seller)).status == 403
    assert (await client.request("GET", "user-orders", by=admin)).status == 403
    assert (await client.request("GET", "seller-orders", by=market.buyer)).status == 403
    assert (await client.request("GET", "seller-orders", by=seller)).status == 200
    assert (await client.request("GET", f"order-details/{ID}")).status == 401
    assert (await client.request("GET", f"order-timeline/{ID}")).status == 401
    assert (await client.request("GET", "verify-history", by=seller)).status == 403
    assert (await client.request("GET", "verify-history?limit=101", by=admin)).status == 422
    assert (await client.request("GET", "verify-history?cursor=WzFd", by=admin)).status == 422
    verified = json.loads((await client.request("GET", "verify-history", by=admin)).body)
    assert verified == {"verified": 0, "items": [], "next_cursor": None}


@pytest.mark.parametrize("body", [b"", b"{}", b"\0", b"[" * 5_000, b"\xff" * 100])
async def test_unsigned_webhook_is_a_bad_request_with_any_body(client: HttpClient, body: bytes) -> None:
    response = await client.request("POST", "payment-webhook", body)
    assert response.status == 400
    assert json.loads(response.body)["slug"] == "invalid-signature"
    signed = Request("POST", "/order/api/payment-webhook", "", {"stripe-signature": "t=1,v1=é"}, body, sender=GATEWAY)
    assert (await client.app.handle(signed)).status == 400

"""Order as the gateway meets it: bytes in, bytes out."""

import asyncio
import json
import time
from typing import Any

import pytest
from joserfc.jwk import ECKey

from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.app import App
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.http.tokens import Identity, TokenVerifier, sign_token
from nextbuy.kit.wire import Request, Response
from nextbuy.order.deps import Deps
from nextbuy.order.service import SERVICE
from tests.callers import account
from tests.order.market import Market

KEY = ECKey.generate_key("P-256")


class Door:
    """The service's front door, and people with tokens at it."""

    def __init__(self, market: Market) -> None:
        async def load() -> dict[str, str]:
            return {"k": KEY.as_pem(private=False).decode()}

        self.app: App[Deps] = App(
            SERVICE,
            market.order,
            identity=ServiceIdentity(b"0123456789abcdef", "order"),
            verifier=TokenVerifier(load),
            database=market.database,
        )

    async def ask(
        self, method: str, path: str, body: object = None, *, by: Account | None = None, key: str | None = None
    ) -> Response:
        """Send a request; a body that is bytes goes as it is."""
        headers = {"content-type": "application/json"}
        if by is not None:
            identity = Identity(by.id, by.role, new_id(), time.time() + 900)
            headers["authorization"] = f"Bearer {sign_token(identity, kid='k', key=KEY)}"
        if key is not None:
            headers["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        return await self.app.handle(Request(method, f"/order/api/{path}", query, headers, raw))


@pytest.fixture
def door(market: Market) -> Door:
    """The front door."""
    return Door(market)


async def test_a_purchase_from_basket_to_orders(market: Market, door: Door) -> None:
    basket = {
        "lines": [{"product_id": str(market.product(market.shop(), price=1999)), "quantity": 2}],
        "address": {"full_name": "A", "line1": "B", "city": "C", "postal_code": "1", "country": "D"},
    }
    answer = await door.ask("POST", "create-payment-session", basket, by=market.buyer)
    assert answer.status == 201
    session = json.loads(answer.body)
    assert session["total"] == {"amount": 3998, "currency": "USD"}
    assert set(session["lines"][0]) == {"product_id", "shop_id", "title", "quantity", "unit_price"}
    event = market.event(
        "checkout.session.completed", None, client_reference_id=session["session_id"], amount_total=3998
    )
    told = await door.app.handle(market.signed(event))
    assert told.status == 200
    seen = json.loads((await door.ask("GET", f"payment-session/{session['session_id']}", by=market.buyer)).body)
    assert seen["status"] == "paid"
    details = json.loads((await door.ask("GET", f"order-details/{seen['order_ids'][0]}", by=market.buyer)).body)[
        "order"
    ]
    assert details["address"]["full_name"] == "A"
    assert set(details) >= {"id", "number", "session_id", "shop_id", "status", "lines", "total", "created_at"}
    listed = json.loads((await door.ask("GET", "user-orders?limit=1", by=market.buyer)).body)
    assert listed["items"][0]["id"] == details["id"]
    assert listed["next_cursor"] is None


async def test_the_same_basket_under_the_same_key_is_one_session(market: Market, door: Door) -> None:
    basket = {"lines": [{"product_id": str(market.product(market.shop())), "quantity": 1}]}
    answers = await asyncio.gather(
        *(door.ask("POST", "create-payment-session", basket, by=market.buyer, key="k1") for _ in range(10))
    )
    assert {answer.status for answer in answers} <= {201, 409}
    again = await door.ask("POST", "create-payment-session", basket, by=market.buyer, key="k1")
    assert again.body == next(answer.body for answer in answers if answer.status == 201)
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
async def test_a_basket_that_is_none_is_unreadable(market: Market, door: Door, body: Any) -> None:  # noqa: ANN401
    answer = await door.ask("POST", "create-payment-session", body, by=market.buyer)
    assert (answer.status, answer.content_type) == (422, "application/problem+json")
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
async def test_an_address_that_makes_no_sense_is_told_so(market: Market, door: Door, path: str, status: int) -> None:
    assert (await door.ask("GET", path, by=market.buyer)).status == status


async def test_each_address_is_for_those_it_is_for(market: Market, door: Door) -> None:
    seller, admin = account(Role.SELLER), account(Role.ADMIN)
    assert (await door.ask("POST", "create-payment-session", {"lines": [LINE]})).status == 401
    assert (await door.ask("POST", "create-payment-session", {"lines": [LINE]}, by=seller)).status == 403
    assert (await door.ask("GET", "user-orders", by=admin)).status == 403
    assert (await door.ask("GET", "seller-orders", by=market.buyer)).status == 403
    assert (await door.ask("GET", "seller-orders", by=seller)).status == 200
    assert (await door.ask("GET", f"order-details/{ID}")).status == 401
    assert (await door.ask("GET", f"order-timeline/{ID}")).status == 401
    assert (await door.ask("GET", "verify-history", by=seller)).status == 403
    assert (await door.ask("GET", "verify-history?limit=101", by=admin)).status == 422
    assert (await door.ask("GET", "verify-history?cursor=WzFd", by=admin)).status == 422
    verified = json.loads((await door.ask("GET", "verify-history", by=admin)).body)
    assert verified == {"verified": 0, "older": 0, "items": [], "next_cursor": None}


@pytest.mark.parametrize("body", [b"", b"{}", b"\0", b"[" * 5_000, b"\xff" * 100])
async def test_an_unsigned_webhook_is_a_bad_request_whatever_it_holds(door: Door, body: bytes) -> None:
    answer = await door.ask("POST", "payment-webhook", body)
    assert answer.status == 400
    assert json.loads(answer.body)["slug"] == "bad-signature"
    signed = Request("POST", "/order/api/payment-webhook", "", {"stripe-signature": "t=1,v1=é"}, body)
    assert (await door.app.handle(signed)).status == 400

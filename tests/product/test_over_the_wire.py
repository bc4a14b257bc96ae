"""Product as the gateway meets it: bytes in, bytes out."""

import json
import time

import pytest
from joserfc.jwk import ECKey

from nextbuy.contracts.auth import Account
from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.app import App
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.http.tokens import Identity, TokenVerifier, sign_token
from nextbuy.kit.wire import IDENTITY, Request, Response
from nextbuy.product.deps import Deps
from nextbuy.product.follow_changes import follow_changes
from nextbuy.product.service import SERVICE
from tests.callers import account
from tests.product.service_harness import TEXT, Desk, Json, decoded

KEY = ECKey.generate_key("P-256")
SECRET = b"0123456789abcdef"
OFFER: Json = {
    "title": "Copper kettle",
    "description": TEXT,
    "category": "Kitchen",
    "price": {"amount": 1999, "currency": "USD"},
    "stock": 5,
    "tags": ["tea"],
}


class Door:
    """The service's front door, and people with tokens at it."""

    def __init__(self, desk: Desk) -> None:
        async def load() -> dict[str, str]:
            return {"k": KEY.as_pem(private=False).decode()}

        self.desk = desk
        self.app: App[Deps] = App(
            SERVICE,
            desk.product,
            identity=ServiceIdentity(SECRET, "product"),
            verifier=TokenVerifier(load),
            database=desk.database,
        )

    async def ask(
        self, method: str, path: str, body: object = None, *, by: Account | None = None, key: str | None = None
    ) -> Response:
        """Send a request; a body that is bytes goes as it is."""
        headers = {"content-type": "application/json"}
        if by is not None:
            identity = Identity(by.id, by.role, new_id(), int(time.time()) + 900)
            token = sign_token(identity, kid="k", key=KEY)
            self.desk.accounts[token] = by
            headers["authorization"] = f"Bearer {token}"
        if key is not None:
            headers["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        return await self.app.handle(Request(method, f"/product/api/{path}", query, headers, raw))


@pytest.fixture
def door(desk: Desk) -> Door:
    """The front door."""
    return Door(desk)


async def test_a_product_from_its_offer_to_its_page(desk: Desk, door: Door) -> None:
    seller = await desk.seller()
    made = await door.ask("POST", "create-product", OFFER, by=seller)
    assert made.status == 201
    product = decoded(made.body)["product"]
    assert {name: product[name] for name in (*OFFER, "status")} == {**OFFER, "status": "active"}
    assert product["moderation"] == {"score": 100, "decision": "active", "reasons": product["moderation"]["reasons"]}
    for key in (product["id"], product["slug"]):
        assert decoded((await door.ask("GET", f"get-product/{key}")).body) == {"product": product}
    for address in ("get-all-products?category=kitchen&sort=price-low&limit=5", "search-products?q=copper+kett"):
        assert decoded((await door.ask("GET", address)).body) == {"items": [product], "next_cursor": None}
    assert (await door.ask("GET", product["picture"].removeprefix("/product/api/"))).content_type == "image/svg+xml"
    own = decoded((await door.ask("GET", "get-shop-products", by=seller)).body)["items"]
    assert own == [{**product, "held": 0, "sold": 0}]
    changed = await door.ask("PUT", f"update-product/{product['id']}", {"stock": 7}, by=seller)
    assert (changed.status, decoded(changed.body)["product"]) == (200, {**product, "stock": 7})


async def test_the_same_offer_sent_twice_is_one_product(desk: Desk, door: Door) -> None:
    seller = await desk.seller()
    first = await door.ask("POST", "create-product", OFFER, by=seller, key="once")
    again = await door.ask("POST", "create-product", OFFER, by=seller, key="once")
    assert (again.status, again.body) == (201, first.body)
    assert ("idempotency-replayed", "true") in again.headers
    assert await desk.database.fetchval("SELECT count(*) FROM products") == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "   "),
        ("title", "x" * 201),
        ("title", 5),
        ("title", "a\0b"),
        ("title", None),
        ("description", "x" * 10_001),
        ("category", ""),
        ("price", 5),
        ("price", {"amount": 0}),
        ("price", {"amount": -1}),
        ("price", {"amount": 10**30}),
        ("price", {"amount": 1.5}),
        ("price", {"amount": 100, "currency": "EUR"}),
        ("stock", -1),
        ("stock", 10**9),
        ("stock", True),
        ("tags", ["x"] * 21),
        ("tags", [""]),
        ("tags", "tea"),
    ],
)
async def test_an_offer_that_makes_no_sense_is_unreadable(desk: Desk, door: Door, field: str, value: object) -> None:
    seller = await desk.seller()
    answer = await door.ask("POST", "create-product", {**OFFER, field: value}, by=seller)
    assert answer.status == 422, answer
    made = decoded((await door.ask("POST", "create-product", OFFER, by=seller)).body)["product"]
    answer = await door.ask("PUT", f"update-product/{made['id']}", {field: value}, by=seller)
    assert answer.status == 422, answer


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("get-product/" + "x" * 500, 404),
        ("get-product/%00", 404),
        ("get-all-products?limit=0", 422),
        ("get-all-products?limit=101", 422),
        ("get-all-products?limit=1e3", 422),
        ("get-all-products?sort=best", 422),
        ("get-all-products?category=" + "x" * 61, 422),
        ("get-all-products?category=%00", 422),
        ("get-all-products?cursor=" + "x" * 500, 422),
        ("get-all-products?cursor=%F0%9F", 422),
        ("search-products", 422),
        ("search-products?q=", 422),
        ("search-products?q=" + "x" * 201, 422),
        ("search-products?q=%ED%A0%80", 200),
        ("search-products?q=kettle&cursor=WzFd", 422),
        ("picture/1", 404),
        ("get-shop-products", 401),
        ("create-product", 405),
    ],
)
async def test_strange_questions_get_plain_answers(door: Door, address: str, status: int) -> None:
    assert (await door.ask("GET", address)).status == status


async def test_only_sellers_offer(desk: Desk, door: Door) -> None:
    for who, status in ((None, 401), (account(Role.BUYER), 403), (account(Role.ADMIN), 403)):
        assert (await door.ask("POST", "create-product", OFFER, by=who)).status == status
    for body in (b"", b"[]", b"{", b'{"title": "\\ud800"}', b"[" * 5_000, "ü".encode("latin-1")):
        assert (await door.ask("POST", "create-product", body, by=await desk.seller())).status == 422


async def test_stock_is_moved_by_order_and_nobody_else(door: Door) -> None:
    for caller, status in (("order", 422), ("seller", 403)):
        headers = {IDENTITY: ServiceIdentity(SECRET, caller).sign("product")}
        answer = await door.app.handle(Request("POST", UpdateStock.path, "", headers, b"{}"))
        assert answer.status == status
    assert (await door.app.handle(Request("POST", UpdateStock.path, "", {}, b"{}"))).status == 401


async def test_the_second_look_at_a_page_asks_the_database_nothing(desk: Desk, door: Door) -> None:
    kettle = await desk.offer(await desk.seller())
    await follow_changes(desk.product)
    first = await door.ask("GET", f"get-product/{kettle.slug}")
    await desk.database.close()
    for who in (None, account(Role.BUYER), account(Role.SELLER), account(Role.ADMIN)):
        assert (await door.ask("GET", f"get-product/{kettle.id}", by=who)).body == first.body

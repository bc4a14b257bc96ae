"""Routes and calls of product, requested as the gateway does: bytes in, bytes out."""

import json
import time
from collections.abc import Mapping

import pytest
from joserfc.jwk import ECKey

from nextbuy.contracts.auth import Account, ValidateSeller, ValidateUser
from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.app import App
from nextbuy.kit.http.tokens import Identity, TokenVerifier, sign_token
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import AGE, Request, Response
from nextbuy.product.deps import Deps
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.service import SERVICE
from tests.callers import GATEWAY, account
from tests.product.service_harness import TEXT, Json, ServiceHarness, decoded

KEY = ECKey.generate_key("P-256")
SECRET = b"0123456789abcdef"
PRODUCT: Json = {
    "title": "Copper kettle",
    "description": TEXT,
    "category": "Kitchen",
    "price": {"amount": 1999, "currency": "USD"},
    "stock": 5,
    "tags": ["tea"],
}


class RouteClient:
    """A client of the service's routes, with tokens for accounts."""

    def __init__(self, service: ServiceHarness) -> None:
        async def load() -> dict[str, str]:
            return {"k": KEY.as_pem(private=False).decode()}

        self.service = service
        self.app: App[Deps] = App(
            SERVICE,
            service.deps,
            identity=ServiceIdentity(SECRET, "product"),
            verifier=TokenVerifier(load),
            database=service.database,
        )

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: Account | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request; bytes are sent unchanged as the body."""
        headers = {"content-type": "application/json", **(headers or {})}
        if by is not None:
            identity = Identity(by.id, by.role, new_id(), int(time.time()) + 900)
            token = sign_token(identity, kid="k", key=KEY)
            self.service.calls.replies |= dict.fromkeys((ValidateSeller, ValidateUser), by)
            headers["authorization"] = f"Bearer {token}"
        if key is not None:
            headers["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        return await self.app.handle(Request(method, f"/product/api/{path}", query, headers, raw, sender=GATEWAY))


@pytest.fixture
def client(service: ServiceHarness) -> RouteClient:
    """A client of the service's routes."""
    return RouteClient(service)


async def test_product_from_creation_to_update(service: ServiceHarness, client: RouteClient) -> None:
    seller = await service.seller()
    created = await client.request("POST", "create-product", PRODUCT, by=seller)

    assert created.status == 201

    product = decoded(created.body)["product"]
    assert {name: product[name] for name in (*PRODUCT, "status")} == {**PRODUCT, "status": "active"}
    assert product["moderation"] == {"score": 100, "decision": "active", "reasons": product["moderation"]["reasons"]}

    public = {name: value for name, value in product.items() if name not in {"moderation", "on_sale", "archived"}}
    for key in (product["id"], product["slug"]):
        assert decoded((await client.request("GET", f"get-product/{key}")).body) == {"product": public}
        assert decoded((await client.request("GET", f"get-product/{key}", by=seller)).body) == {"product": product}
    for address in ("get-all-products?category=kitchen&sort=price-low&limit=5", "search-products?q=copper+kett"):
        assert decoded((await client.request("GET", address)).body) == {"items": [public], "next_cursor": None}

    assert (
        await client.request("GET", product["picture"].removeprefix("/product/api/"))
    ).content_type == "image/svg+xml"

    own = decoded((await client.request("GET", "get-shop-products", by=seller)).body)["items"]
    assert own == [{**product, "held": 0, "sold": 0}]

    changed = await client.request("PUT", f"update-product/{product['id']}", {"stock": 7}, by=seller)
    after = decoded(changed.body)["product"]
    assert (changed.status, after) == (200, {**product, "stock": 7, "etag": after["etag"]})


async def test_request_repeated_with_idempotency_key_creates_one_product(
    service: ServiceHarness, client: RouteClient
) -> None:
    seller = await service.seller()
    first = await client.request("POST", "create-product", PRODUCT, by=seller, key="once")

    again = await client.request("POST", "create-product", PRODUCT, by=seller, key="once")

    assert (again.status, again.body) == (201, first.body)
    assert ("idempotency-replayed", "true") in again.headers
    assert await service.database.fetchval("SELECT count(*) FROM products") == 1


def etag_of(response: Response) -> str:
    """Return the ETag of a response, which must have exactly one."""
    [etag] = [value for name, value in response.headers if name == "etag"]
    return etag


async def test_product_has_one_etag_for_all_readers(service: ServiceHarness, client: RouteClient) -> None:
    seller = await service.seller()
    created = await client.request("POST", "create-product", PRODUCT, by=seller, key="once")
    path = f"get-product/{decoded(created.body)['product']['id']}"

    etag = etag_of(created)
    assert etag == decoded(created.body)["product"]["etag"]
    assert etag_of(await client.request("POST", "create-product", PRODUCT, by=seller, key="once")) == etag
    for who in (None, seller, account(Role.BUYER), account(Role.SELLER), account(Role.ADMIN)):
        assert etag_of(await client.request("GET", path, by=who)) == etag
        assert etag_of(await client.request("HEAD", path, by=who)) == etag
    for listing in ("get-all-products", "search-products?q=kettle", "get-shop-products"):
        [item] = decoded((await client.request("GET", listing, by=seller)).body)["items"]
        assert item["etag"] == etag


async def test_etag_decides_whether_a_change_is_stored(service: ServiceHarness, client: RouteClient) -> None:
    seller = await service.seller()
    created = await client.request("POST", "create-product", PRODUCT, by=seller)
    path = f"update-product/{decoded(created.body)['product']['id']}"
    old = {"if-match": etag_of(created)}

    changed = await client.request("PUT", path, {"title": "Large kettle"}, by=seller, headers=old, key="1")
    refused = await client.request("PUT", path, {"title": "Small kettle"}, by=seller, headers=old, key="2")
    invalid = await client.request("PUT", path, {"title": "Small kettle"}, by=seller, headers={"if-match": "3.1"})

    assert (changed.status, refused.status, invalid.status) == (200, 412, 400)
    problem = decoded(refused.body)
    assert problem["slug"] == "stale"
    assert problem["errors"] == [{"field": "title", "message": "The title is now “Large kettle”."}]
    assert [decoded(one.body)["product"]["etag"] for one in (changed,)] == [etag_of(changed)]

    current = {"if-match": etag_of(changed)}
    reused = await client.request("PUT", path, {"title": "Small kettle"}, by=seller, headers=current, key="2")
    assert decoded(reused.body)["slug"] == "idempotency-key-reused"
    done = await client.request("PUT", path, {"title": "Small kettle"}, by=seller, headers=current, key="3")
    again = await client.request("PUT", path, {"title": "Small kettle"}, by=seller, headers=current, key="3")
    assert (done.status, again.status, again.body) == (200, 200, done.body)
    assert etag_of(again) == etag_of(done)


@pytest.mark.parametrize("condition", ["{0}", "{0}, {0},", '{0}, W/"x"', "\t{1}"])
async def test_update_repeated_in_another_spelling_is_the_same(
    service: ServiceHarness, client: RouteClient, condition: str
) -> None:
    seller = await service.seller()
    created = await client.request("POST", "create-product", PRODUCT, by=seller)
    product_id, etag = decoded(created.body)["product"]["id"], etag_of(created)
    current = {"if-match": etag}
    again = {"if-match": condition.format(etag, f'{etag[:-1]}-gzip"')}
    changes = {"title": "Caf\u00e9 kettle", "stock": 7}
    spelling = b'{"stock": 7.0, "unknown": 1, "title": " Cafe\\u0301   kettle\\u200b "}'

    done = await client.request("PUT", f"update-product/{product_id}", changes, by=seller, headers=current, key="1")
    same = await client.request(
        "PUT", f"update-product/{product_id.upper()}", spelling, by=seller, headers=again, key="1"
    )

    assert (done.status, same.status, same.body) == (200, 200, done.body)
    assert ("idempotency-replayed", "true") in same.headers


@pytest.mark.parametrize("form", ["{0}", "W/{0}", '"x", {0}', "*", "{1}"])
async def test_own_product_that_is_known_is_not_sent_again(
    service: ServiceHarness, client: RouteClient, form: str
) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await poll_changes(service.deps)
    known = {"if-none-match": form.format(kettle.etag, f'{kettle.etag[:-1]}-gzip"')}

    response = await client.request("GET", f"get-product/{kettle.slug}", by=seller, headers=known)
    assert (response.status, response.body, etag_of(response)) == (304, b"", kettle.etag)

    await service.hold((kettle, 1))
    if form != "*":
        assert (await client.request("GET", f"get-product/{kettle.slug}", by=seller, headers=known)).status == 200
    assert (await client.request("GET", "get-product/none", headers=known)).status == 404


async def test_public_reply_has_its_age(service: ServiceHarness, client: RouteClient) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await poll_changes(service.deps)

    for path in (f"get-product/{kettle.slug}", "get-all-products", "get-categories", f"get-activity/{kettle.id}"):
        for _ in range(2):
            headers = dict((await client.request("GET", path)).headers)
            assert 0 <= float(headers[AGE]) < 1.5
    own = await client.request("GET", f"get-product/{kettle.slug}", by=seller)
    assert AGE not in dict(own.headers)


@pytest.mark.parametrize("known", ['"1.1"', "", "x", '"', "W/"])
async def test_unknown_etag_gets_the_product(service: ServiceHarness, client: RouteClient, known: str) -> None:
    kettle = await service.create_product(await service.seller())

    response = await client.request("GET", f"get-product/{kettle.slug}", headers={"if-none-match": known})

    assert response.status == 200


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
async def test_invalid_field_is_refused(
    service: ServiceHarness, client: RouteClient, field: str, value: object
) -> None:
    seller = await service.seller()
    response = await client.request("POST", "create-product", {**PRODUCT, field: value}, by=seller)

    assert response.status == 422, response

    created = decoded((await client.request("POST", "create-product", PRODUCT, by=seller)).body)["product"]
    response = await client.request("PUT", f"update-product/{created['id']}", {field: value}, by=seller)

    assert response.status == 422, response


@pytest.mark.parametrize("value", ["3", 1.5, True, None, {}, [1], 1_000_001, -1_000_001, 10**30])
async def test_invalid_change_of_stock_is_refused(service: ServiceHarness, client: RouteClient, value: object) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)

    response = await client.request("PUT", f"update-product/{kettle.id}", {"stock_change": value}, by=seller)

    assert response.status == 422, response


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
async def test_unusual_requests_get_expected_status(client: RouteClient, address: str, status: int) -> None:
    assert (await client.request("GET", address)).status == status


async def test_only_sellers_create_products(service: ServiceHarness, client: RouteClient) -> None:
    for who, status in ((None, 401), (account(Role.BUYER), 403), (account(Role.ADMIN), 403)):
        assert (await client.request("POST", "create-product", PRODUCT, by=who)).status == status
    for body in (b"", b"[]", b"{", b'{"title": "\\ud800"}', b"[" * 5_000, "ü".encode("latin-1")):
        assert (await client.request("POST", "create-product", body, by=await service.seller())).status == 422


async def test_only_order_may_call_update_stock(client: RouteClient) -> None:
    for caller, status in (("order", 422), ("seller", 403)):
        sender = ServiceIdentity(SECRET, caller)
        response = await client.app.handle(Request("POST", UpdateStock.path, "", {}, b"{}", sender=sender))
        assert response.status == status
    assert (await client.app.handle(Request("POST", UpdateStock.path, "", {}, b"{}"))).status == 401


async def test_cached_product_needs_no_database(service: ServiceHarness, client: RouteClient) -> None:
    kettle = await service.create_product(await service.seller())
    await poll_changes(service.deps)
    first = await client.request("GET", f"get-product/{kettle.slug}")
    await service.database.close()
    for who in (None, account(Role.BUYER), account(Role.SELLER)):
        assert (await client.request("GET", f"get-product/{kettle.id}", by=who)).body == first.body

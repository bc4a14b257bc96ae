"""Each account at every route with ids of other accounts: it can neither read nor change what it does not own."""

import json
from typing import Final

import pytest

from nextbuy.contracts.values import Role, new_id
from nextbuy.host.composition import SERVICES
from nextbuy.kit.service import Route
from nextbuy.kit.wire import Response
from tests.hostile.hostile_fixture import ADDRESS, PASSWORD, HostileMarket, email_of
from tests.hostile.judging import fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

_ADMINS: Final = frozenset({Role.ADMIN})
ROUTES: Final = {
    f"{name} {route.method} {route.path}": (name, route)
    for name, entry in SERVICES.items()
    for route in entry.service.routes
}
ROLES: Final[dict[str, Role | None]] = {
    "anonymous": None,
    "buyer": Role.BUYER,
    "other_buyer": Role.BUYER,
    "suspended": Role.BUYER,
    "logged_out": Role.BUYER,
    "seller": Role.SELLER,
    "other_seller": Role.SELLER,
    "pending_seller": Role.SELLER,
    "left_seller": Role.SELLER,
    "admin": Role.ADMIN,
}
_OF_AN_ORDER: Final = {
    "buyer": 200,
    "other_buyer": 404,
    "suspended": 404,
    "logged_out": 404,
    "seller": 200,
    "other_seller": 404,
    "pending_seller": 404,
    "left_seller": 404,
    "admin": 200,
}
"""The buyer, the seller of the shop, and admins may see an order."""
OWNED: Final[dict[str, dict[str, int]]] = {
    "product PUT update-product/{product_id}": {"seller": 200, "other_seller": 404, "pending_seller": 404},
    **{
        f"product POST {act}-product/{{product_id}}": {"seller": status, "other_seller": 404, "pending_seller": 404}
        for act, status in (("archive", 200), ("restore", 200), ("duplicate", 201))
    },
    # A product that was never approved.
    "product GET get-archived-product/{key}": dict.fromkeys(ROLES, 404),
    "order GET payment-session/{session_id}": {
        "buyer": 200,
        "other_buyer": 404,
        "suspended": 404,
        "logged_out": 404,
    },
    # The checkout is paid.
    "order POST cancel-payment-session/{session_id}": {"buyer": 409, "other_buyer": 404},
    "order GET order-details/{order_id}": _OF_AN_ORDER,
    "notification POST read-notification/{notification_id}": {**dict.fromkeys(ROLES, 404), "buyer": 200},
    "order GET order-timeline/{order_id}": _OF_AN_ORDER,
    # Figures count the caller's own shop, so that they are empty for products of others.
    "analytics GET product-figures/{product_id}": {
        "seller": 200,
        "other_seller": 200,
        "pending_seller": 200,
        "admin": 200,
    },
    "product GET get-product/{key}": {
        **dict.fromkeys(ROLES, 404),
        "seller": 200,
        "admin": 200,
    },
    "product GET picture/{product_id}": {**dict.fromkeys(ROLES, 404), "seller": 200, "admin": 200},
    # A pending product, which has no public activity.
    "product GET get-activity/{product_id}": dict.fromkeys(ROLES, 404),
    "seller POST create-shop": {"seller": 409, "other_seller": 409, "pending_seller": 409},
    "auth POST register": dict.fromkeys(ROLES, 409),
    "auth POST login": dict.fromkeys(ROLES, 401),
    "auth POST refresh-session": dict.fromkeys(ROLES, 401),
    "auth POST reset-password": dict.fromkeys(ROLES, 409),
    "auth POST confirm-email": dict.fromkeys(ROLES, 409),
    # The id is that of nothing of the caller; tests/auth has ids of other accounts.
    "auth DELETE sessions/{id}": dict.fromkeys(ROLES, 404),
    "auth DELETE addresses/{id}": dict.fromkeys(ROLES, 404),
    "auth POST change-password": dict.fromkeys(ROLES, 403),
    # The addresses of admins are confirmed; the password is wrong.
    "auth POST change-email": {**dict.fromkeys(ROLES, 409), "admin": 403},
    "order POST payment-webhook": dict.fromkeys(ROLES, 400),
    "simulator POST pay/{payment_id}": dict.fromkeys(ROLES, 422),
    # Anyone has a basket, but a buyer's own needs a login that has not ended.
    **{
        f"order {where}": {**dict.fromkeys(ROLES, status), "suspended": 403, "logged_out": 401}
        for where, status in (("GET basket", 200), ("PUT basket", 200), ("POST add-to-basket", 404))
    },
    # Nothing is stuck there.
    **{
        f"{service} POST stuck/{{id}}/{action}": {"admin": 404}
        for service in ("order", "kafka", "notification", "simulator")
        for action in ("retry", "give-up")
    },
}
"""The status per account for things of `buyer` or `seller`, if it depends on the owner and not on the role alone."""
ENDED: Final = {"suspended": 403, "logged_out": 401, "left_seller": 401}
BY_TOKEN_ALONE: Final = frozenset({"auth POST logout"})
"""Routes that accept a token until it expires, even after its session has ended: a logout succeeds twice."""
CUSTOMERS: Final = {"seller": ("buyer", "third_buyer"), "other_seller": ("other_buyer", "suspended", "logged_out")}
"""The buyers whose orders and addresses a seller may read."""
KNOWN_BY_ID: Final = frozenset({"simulator GET pay/{payment_id}"})
"""Shown to anyone with an id that cannot be guessed: the page of a payment."""
BODIES: Final[dict[str, object]] = {
    "auth POST register": {"email": email_of("buyer"), "password": PASSWORD, "name": "B", "role": "buyer"},
    "auth POST login": {"email": email_of("buyer"), "password": "not-the-password"},
    "auth POST refresh-session": {"refresh_token": "x" * 43},
    "auth POST request-password-reset": {"email": email_of("buyer")},
    "auth POST confirm-email": {"token": "x" * 43},
    "auth POST send-confirmation": {},
    "auth POST addresses": dict.fromkeys(ADDRESS, "Anywhere"),
    "auth PUT me": {"name": "A person"},
    "auth POST change-password": {"current_password": "not-the-password", "password": PASSWORD},
    "auth POST change-email": {"current_password": "not-the-password", "email": "another@hidden.test"},
    "auth POST reset-password": {"token": "x" * 43, "password": PASSWORD},
    "seller POST create-shop": {"name": "A second stall", "bio": "", "category": "ceramics"},
    "seller PUT update-shop": {"bio": "Thrown by hand."},
    "product PUT update-product/{product_id}": {"stock": 900},
    "product POST create-product": {
        "title": "Red bowl",
        "description": "Thrown by hand.",
        "category": "ceramics",
        "price": {"amount": 100},
        "stock": 1,
    },
    "order PUT basket": {"lines": []},
    "order POST add-to-basket": {"product_id": str(new_id()), "quantity": 1},
    "product POST report-activity": {"items": [{"product_id": str(new_id()), "action": "viewed"}]},
    "simulator POST pay/{payment_id}": {"card_number": "1"},
}
QUERIES: Final = {
    "admin GET search": "q=bo",
    "admin GET list-by-status": "kind=order&status=paid",
    "seller GET get-shops": f"ids={new_id()}",
    "analytics GET best-sellers": "limit=50",
    "product GET get-products": f"ids={new_id()}",
    "product GET search-products": "q=bowl&limit=100",
}
REASON: Final = {"reason": "because a test requires it"}


def expected(where: str, name: str) -> frozenset[int]:
    """Return the allowed statuses of an account: from `OWNED`, else from the role that the route requires."""
    _, route = ROUTES[where]
    by_owner = OWNED.get(where, {})
    good = frozenset({by_owner[name]}) if name in by_owner else frozenset({200, 201, 202, 204})
    if route.who is None:
        return good
    if route.who == _ADMINS and route.method == "POST":
        good |= {409}  # An earlier decision may conflict.
    if where == "order GET open-payment-session":
        good |= {404}  # Some have no open checkout.
    if where == "kafka GET traces/{id}":
        good |= {404}  # The id of a dead letter is in a story only if a request for it was refused.
    role = ROLES[name]
    if role is None:
        return frozenset({401})
    if role not in route.who:
        return frozenset({403})
    if name in ENDED and where not in BY_TOKEN_ALONE:
        return frozenset({ENDED[name]})
    return good


async def request_as(market: HostileMarket, where: str, name: str) -> tuple[Response, str]:
    """Send a request of an account; return the response and the text of the request."""
    service, route = ROUTES[where]
    # Decisions of admins apply to accounts that no test needs.
    ids = market.ids if name == "admin" and route.who == _ADMINS else market.foreign_ids
    path = "/".join(ids[part[1:-1]] if part.startswith("{") else part for part in route.path.split("/"))
    content = BODIES.get(where, REASON)
    if where == "order POST create-payment-session":
        content = {"lines": [{"product_id": market.ids_for_sale["product_id"], "quantity": 1}]}
    body = b"" if route.method == "GET" else json.dumps(content).encode()
    query = QUERIES.get(where, "limit=100" if "{" not in route.path else "")
    who = None if name == "anonymous" else name
    answer = await market.request(
        route.method, f"/{service}/api/{path}", query=query if route.method == "GET" else "", body=body, who=who
    )
    return answer, f"{path} {body.decode()}"


def secrets_from(market: HostileMarket, name: str) -> dict[str, str]:
    """Return the texts that an account may not read, each with its owner."""
    own = market.people[name].private if name in market.people else set()
    if name == "admin":
        # An admin may read everything except credentials.
        return {
            secret: other
            for other, person in market.people.items()
            for secret in person.private
            if _is_credential(secret)
        }
    buyers = CUSTOMERS.get(name, ())
    sold = {str(market.orders[buyer][key]) for buyer in buyers for key in ("id", "number", "session_id")}
    sold |= set(ADDRESS.values()) if buyers else set()
    return {
        secret: other
        for other, person in market.people.items()
        for secret in person.private - own - sold
        if other != name
    }


def _is_credential(secret: str) -> bool:
    return secret.startswith("eyJ") or (len(secret) == 43 and " " not in secret)


@pytest.mark.parametrize("where", ROUTES)
async def test_account_reads_and_changes_only_its_own(market: HostileMarket, where: str) -> None:
    wrong: list[str] = []
    for name in ROLES:
        answer, sent = await request_as(market, where, name)
        if answer.status not in expected(where, name):
            wrong.append(f"{name} got {answer.status}, not {set(expected(where, name))}: {answer.body[:200]!r}")
        problem = fault(answer, page=where.startswith("simulator"))
        if problem is not None:
            wrong.append(f"{name}: {problem}")
        text = answer.body.decode() + repr(answer.headers)
        wrong += [
            f"{name} reads {secret!r} of {other} in {text[:400]}"
            for secret, other in secrets_from(market, name).items()
            if secret in text and secret not in sent and (where not in KNOWN_BY_ID or "@" in secret)
        ]
        if answer.status == 204 and name not in {"anonymous", *ENDED}:
            await market.restore_session(name)
    assert wrong == []


@pytest.mark.parametrize("who", ["other_buyer", "seller", "anonymous", "logged_out", "suspended"])
async def test_idempotency_key_of_other_account_is_ignored(market: HostileMarket, who: str) -> None:
    body = json.dumps({"lines": [{"product_id": market.ids_for_sale["product_id"], "quantity": 1}], "address": ADDRESS})
    headers = {"idempotency-key": "the-key-of-buyer"}
    path = "/order/api/create-payment-session"
    first = await market.request("POST", path, body=body.encode(), who="buyer", headers=headers)
    assert first.status == 201
    person = None if who == "anonymous" else who
    answer = await market.request("POST", path, body=body.encode(), who=person, headers=headers)
    assert "idempotency-replayed" not in dict(answer.headers)
    assert json.loads(first.body)["session_id"].encode() not in answer.body


@pytest.mark.parametrize("name", ENDED)
async def test_ended_session_changes_nothing(market: HostileMarket, name: str) -> None:
    """Writes are refused after a session has ended, even if its token is still valid for reads."""
    for where, (_, route) in ROUTES.items():
        if route.method != "GET" and route.who is not None and where != "auth POST logout":
            answer, _ = await request_as(market, where, name)
            assert answer.status in {401, 403}, f"{where}: {answer.body!r}"


async def test_every_route_with_owner_has_expectations() -> None:
    assert [where for where, (_, route) in ROUTES.items() if _has_owner(route) and where not in OWNED] == []
    assert OWNED.keys() <= ROUTES.keys()
    assert BODIES.keys() | QUERIES.keys() | BY_TOKEN_ALONE <= ROUTES.keys()


def _has_owner(route: Route) -> bool:
    return "{" in route.path and route.who is not None and route.who != _ADMINS

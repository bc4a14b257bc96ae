"""Everybody at every route, with the ids of somebody else's things: what is not theirs they neither do nor see."""

import json
from typing import Final

import pytest

from nextbuy.contracts.values import Role, new_id
from nextbuy.host.composition import SERVICES
from nextbuy.kit.http.paging import encode_cursor
from nextbuy.kit.service import Route
from nextbuy.kit.wire import Response
from tests.hostile.hostile_fixture import ADDRESS, PASSWORD, Bazaar, email_of
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
"""An order is its buyer's, its shop's seller's and the admins' to see."""
OWNED: Final[dict[str, dict[str, int]]] = {
    "product PUT update-product/{product_id}": {"seller": 200, "other_seller": 404, "pending_seller": 404},
    "order GET payment-session/{session_id}": {
        "buyer": 200,
        "other_buyer": 404,
        "suspended": 404,
        "logged_out": 404,
    },
    "order GET order-details/{order_id}": _OF_AN_ORDER,
    "kafka POST read-notification/{notification_id}": {**dict.fromkeys(ROLES, 404), "buyer": 200},
    "order GET order-timeline/{order_id}": _OF_AN_ORDER,
    # Figures are of one's own shop: of anothers' products there are none.
    "kafka GET product-figures/{product_id}": {"seller": 200, "other_seller": 200, "pending_seller": 200, "admin": 200},
    "product GET get-product/{key}": {
        **dict.fromkeys(ROLES, 404),
        "seller": 200,
        "admin": 200,
    },
    # One that waits for an admin: nobody can buy it, so nobody is told how often it was.
    "product GET get-activity/{product_id}": dict.fromkeys(ROLES, 404),
    "seller POST create-shop": {"seller": 409, "other_seller": 409, "pending_seller": 409},
    "auth POST register": dict.fromkeys(ROLES, 409),
    "auth POST login": dict.fromkeys(ROLES, 401),
    "auth POST refresh-session": dict.fromkeys(ROLES, 401),
    "order POST payment-webhook": dict.fromkeys(ROLES, 400),
    "simulator POST pay/{payment_id}": dict.fromkeys(ROLES, 422),
}
"""What each may do with what is `buyer`'s or `seller`'s, where it is not the table of contents alone that says so."""
ENDED: Final = {"suspended": 403, "logged_out": 401, "left_seller": 401}
BY_TOKEN_ALONE: Final = frozenset(
    {
        "auth POST logout",
        "product GET get-product/{key}",
    }
)
"""Where a token is believed until it expires, its session ended or not: an owner's own product.

A session that has ended is ended once more.
"""
CUSTOMERS: Final = {"seller": ("buyer", "nobody_else"), "other_seller": ("other_buyer", "suspended", "logged_out")}
"""Whose orders, and where they go, a seller reads for good reason."""
KNOWN_BY_ID: Final = frozenset({"simulator GET pay/{payment_id}", "product GET picture/{product_id}"})
"""Shown to whoever knows an id that cannot be guessed: a payment's page, and a picture with a product's title."""
BODIES: Final[dict[str, object]] = {
    "auth POST register": {"email": email_of("buyer"), "password": PASSWORD, "name": "B", "role": "buyer"},
    "auth POST login": {"email": email_of("buyer"), "password": "not-the-password"},
    "auth POST refresh-session": {"refresh_token": "x" * 43},
    "seller POST create-shop": {"name": "A second stall", "bio": "", "category": "ceramics"},
    "product PUT update-product/{product_id}": {"stock": 900},
    "product POST create-product": {
        "title": "Red bowl",
        "description": "Thrown by hand.",
        "category": "ceramics",
        "price": {"amount": 100},
        "stock": 1,
    },
    "product POST report-activity": {"items": [{"product_id": str(new_id()), "action": "viewed"}]},
    "simulator POST pay/{payment_id}": {"card_number": "1"},
}
QUERIES: Final = {
    "kafka GET best-sellers": "limit=50",
    "product GET get-products": f"ids={new_id()}",
    "product GET search-products": "q=bowl&limit=100",
}
REASON: Final = {"reason": "because a test says so"}


def expected(where: str, name: str) -> frozenset[int]:
    """The statuses that somebody may get: by hand where an owner is looked for, else by the table of contents."""
    _, route = ROUTES[where]
    by_hand = OWNED.get(where, {})
    good = frozenset({by_hand[name]}) if name in by_hand else frozenset({200, 201, 202, 204})
    if route.who is None:
        return good
    if route.who == _ADMINS and route.method == "POST":
        good |= {409}  # What was decided before may stand against it.
    role = ROLES[name]
    if role is None:
        return frozenset({401})
    if role not in route.who:
        return frozenset({403})
    if name in ENDED and where not in BY_TOKEN_ALONE:
        return frozenset({ENDED[name]})
    return good


async def asked(market: Bazaar, where: str, name: str) -> tuple[Response, str]:
    """What somebody is answered, and all that was sent."""
    service, route = ROUTES[where]
    # An admin's decisions are made about somebody who does not mind.
    ids = market.ids if name == "admin" and route.who == _ADMINS else market.of_others
    path = "/".join(ids[part[1:-1]] if part.startswith("{") else part for part in route.path.split("/"))
    said = BODIES.get(where, REASON)
    if where == "order POST create-payment-session":
        said = {"lines": [{"product_id": market.to_buy["product_id"], "quantity": 1}]}
    body = b"" if route.method == "GET" else json.dumps(said).encode()
    query = QUERIES.get(where, "limit=100" if "{" not in route.path else "")
    who = None if name == "anonymous" else name
    answer = await market.ask(
        route.method, f"/{service}/api/{path}", query=query if route.method == "GET" else "", body=body, who=who
    )
    return answer, f"{path} {body.decode()}"


def secrets_from(market: Bazaar, name: str) -> dict[str, str]:
    """What somebody may not read: the private matters of everybody else, and whose they are."""
    own = market.people[name].private if name in market.people else set()
    if name == "admin":
        # An admin reads all but what lets one in.
        return {
            secret: other for other, person in market.people.items() for secret in person.private if _lets_in(secret)
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


def _lets_in(secret: str) -> bool:
    return secret.startswith("eyJ") or (len(secret) == 43 and " " not in secret)


@pytest.mark.parametrize("where", ROUTES)
async def test_everybody_at_every_route(market: Bazaar, where: str) -> None:
    wrong: list[str] = []
    for name in ROLES:
        answer, sent = await asked(market, where, name)
        if answer.status not in expected(where, name):
            wrong.append(f"{name} got {answer.status}, not {set(expected(where, name))}: {answer.body[:200]!r}")
        trouble = fault(answer, page=where.startswith("simulator"))
        if trouble is not None:
            wrong.append(f"{name}: {trouble}")
        text = answer.body.decode() + repr(answer.headers)
        wrong += [
            f"{name} reads {secret!r} of {other} in {text[:400]}"
            for secret, other in secrets_from(market, name).items()
            if secret in text and secret not in sent and (where not in KNOWN_BY_ID or "@" in secret)
        ]
        if answer.status == 204 and name not in {"anonymous", *ENDED}:
            await market.stay(name)
    assert wrong == []


async def test_a_cursor_of_anothers_list_leads_through_ones_own(market: Bazaar) -> None:
    last = encode_cursor("ffffffff-ffff-ffff-ffff-ffffffffffff")
    theirs = encode_cursor(market.orders["buyer"]["id"])
    for path, who, others in (
        ("/order/api/user-orders", "other_buyer", "buyer"),
        ("/order/api/seller-orders", "other_seller", "buyer"),
        ("/kafka/api/notifications", "other_buyer", "buyer"),
    ):
        for cursor in (last, theirs):
            answer = await market.ask("GET", path, query=f"cursor={cursor}&limit=100", who=who)
            assert answer.status == 200
            assert market.orders[others]["id"].encode() not in answer.body


@pytest.mark.parametrize("who", ["other_buyer", "seller", "anonymous", "logged_out", "suspended"])
async def test_anothers_idempotency_key_opens_nothing(market: Bazaar, who: str) -> None:
    body = json.dumps({"lines": [{"product_id": market.to_buy["product_id"], "quantity": 1}], "address": ADDRESS})
    headers = {"idempotency-key": "the-key-of-buyer"}
    path = "/order/api/create-payment-session"
    first = await market.ask("POST", path, body=body.encode(), who="buyer", headers=headers)
    assert first.status == 201
    person = None if who == "anonymous" else who
    answer = await market.ask("POST", path, body=body.encode(), who=person, headers=headers)
    assert "idempotency-replayed" not in dict(answer.headers)
    assert json.loads(first.body)["session_id"].encode() not in answer.body


@pytest.mark.parametrize("name", ENDED)
async def test_who_was_sent_away_changes_nothing(market: Bazaar, name: str) -> None:
    """Whatever is decided about reads, nothing is done in the name of a session that has ended."""
    for where, (_, route) in ROUTES.items():
        if route.method != "GET" and route.who is not None and where != "auth POST logout":
            answer, _ = await asked(market, where, name)
            assert answer.status in {401, 403}, f"{where}: {answer.body!r}"


async def test_every_route_with_an_owner_is_written_down() -> None:
    assert [where for where, (_, route) in ROUTES.items() if _looks_for_an_owner(route) and where not in OWNED] == []
    assert OWNED.keys() <= ROUTES.keys()
    assert BODIES.keys() | QUERIES.keys() | BY_TOKEN_ALONE <= ROUTES.keys()


def _looks_for_an_owner(route: Route) -> bool:
    return "{" in route.path and route.who is not None and route.who != _ADMINS

"""An HTTP client that acts as buyers, sellers, the admin and the payment provider."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from tests.journeys.marketplace import ADMIN, PASSWORD, Marketplace
from tests.waiting import TIMEOUT, until

GOOD_CARD: Final = "4242424242424242"
BAD_CARD: Final = "4000000000000002"
_number: Final = count(1)
PASSWORD_FIELDS: Final = {"password": PASSWORD}
Json = dict[str, Any]
Basket = Sequence[tuple[Json, int]]
"""Products with their quantities."""


@dataclass(frozen=True)
class Response:
    """A response with its body and its duration in seconds."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:  # noqa: ANN401  any JSON
        """The decoded body."""
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        """The slug of a problem document."""
        return str(self.json["slug"])


@dataclass(frozen=True)
class Person:
    """A registered account with its tokens."""

    id: str
    email: str
    name: str
    token: str
    refresh_token: str


@dataclass(frozen=True)
class Seller(Person):
    """A seller with a shop."""

    shop: Json = field(default_factory=dict)


def trace_headers() -> Json:
    """Return the headers of a new sampled trace."""
    trace_id = token_hex(16)
    return {"traceparent": f"00-{trace_id}-{token_hex(8)}-01", "X-Request-ID": f"journey-{trace_id[:12]}"}


class JourneyClient:
    """A client of one marketplace, through its gateway."""

    def __init__(self, market: Marketplace, session: aiohttp.ClientSession) -> None:
        self.market = market
        self._session = session
        self._admin: Person | None = None

    @classmethod
    @asynccontextmanager
    async def connect(cls, market: Marketplace) -> "AsyncIterator[JourneyClient]":
        """Open a client of a marketplace for the duration of the context."""
        market.secrets |= {GOOD_CARD, BAD_CARD}
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield cls(market, session)

    async def request(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        who: Person | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Response:
        """Send one request, its path exactly as given, and return the response of any status."""
        sent = dict(headers or {})
        if who is not None:
            sent["Authorization"] = f"Bearer {who.token}"
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        loop = asyncio.get_running_loop()
        began = loop.time()
        url = URL(path if "://" in path else f"{self.market.url}{path}", encoded=True)
        data = None if raw is None else BytesIO(raw)
        async with self._session.request(method, url, data=data, headers=sent, allow_redirects=False) as response:
            return Response(response.status, response.headers, await response.read(), loop.time() - began)

    async def get(self, path: str, who: Person | None = None) -> Any:  # noqa: ANN401
        """Return the JSON body of a GET that succeeds."""
        response = await self.request("GET", path, who=who)
        assert response.status == 200, response.body
        return response.json

    async def post(self, path: str, body: object, who: Person | None = None, *, status: int = 201) -> Any:  # noqa: ANN401
        """Return the JSON body of a POST that answers with `status`."""
        response = await self.request("POST", path, body, who=who)
        assert response.status == status, response.body
        return response.json

    # ── people ──

    def _person(self, reply: Json) -> Person:
        self.market.secrets |= {reply["access_token"], reply["refresh_token"]}
        user = reply["user"]
        return Person(user["id"], user["email"], user["name"], reply["access_token"], reply["refresh_token"])

    async def register(self, role: str) -> Person:
        """Register a new account."""
        name = f"{role}-{next(_number)}-{token_hex(4)}"
        asked = {"email": f"{name}@journeys.nextbuy.test", "password": PASSWORD, "name": name, "role": role}
        return self._person(await self.post("/auth/api/register", asked))

    async def new_buyer(self) -> Person:
        """Register a buyer."""
        return await self.register("buyer")

    async def login(self, email: str) -> Person:
        """Log in."""
        return self._person(await self.post("/auth/api/login", {"email": email, "password": PASSWORD}, status=200))

    async def admin(self) -> Person:
        """Log in as the admin, once."""
        self._admin = self._admin or await self.login(ADMIN)
        return self._admin

    # ── shops ──

    async def new_seller(self, *, approved: bool = True) -> Seller:
        """Register a seller and create a shop."""
        person = await self.register("seller")
        asked = {"name": f"Kiln {person.name}", "bio": "Thrown by hand.", "category": "ceramics"}
        shop = (await self.post("/seller/api/create-shop", asked, person))["shop"]
        if approved:
            await self.post(f"/admin/api/approve-seller/{person.id}", {}, await self.admin(), status=200)
        return Seller(person.id, person.email, person.name, person.token, person.refresh_token, shop)

    def product_fields(
        self, *, title: str = "Speckled bowl", stock: int = 10, price: int = 2_800, **other: object
    ) -> Json:
        """Return the fields of a product that moderation approves."""
        return {
            "title": f"{title} {token_hex(4)}",
            "description": "Made by hand in small numbers, each a little different from the other.",
            "category": "ceramics",
            "price": {"amount": price, "currency": "USD"},
            "stock": stock,
            "tags": ["handmade"],
            **other,
        }

    async def new_product(self, seller: Person | None = None, *, stock: int = 10, price: int = 2_800) -> Json:
        """Create a product and wait until it is for sale."""
        who = seller or await self.new_seller()
        made: Json = (
            await self.post("/product/api/create-product", self.product_fields(stock=stock, price=price), who)
        )["product"]
        assert made["status"] == "active", made
        self.market.stock[made["id"]] = stock

        async def shown() -> bool:
            return (await self.request("GET", f"/product/api/get-product/{made['id']}")).status == 200

        await until(shown, f"{made['title']} is for sale")
        return made

    # ── buying ──

    async def checkout(self, who: Person, basket: Basket, headers: Mapping[str, str] | None = None) -> Response:
        """Request a payment session and return the response."""
        lines = [{"product_id": product["id"], "quantity": quantity} for product, quantity in basket]
        return await self.request(
            "POST", "/order/api/create-payment-session", {"lines": lines}, who=who, headers=headers
        )

    async def open_session(self, who: Person, basket: Basket, headers: Mapping[str, str] | None = None) -> Json:
        """Open a payment session."""
        response = await self.checkout(who, basket, headers)
        assert response.status == 201, response.body
        opened: Json = response.json
        return opened

    async def pay(self, session: Json, card: str = GOOD_CARD, headers: Mapping[str, str] | None = None) -> Response:
        """Pay a session on the provider's page."""
        path = urlsplit(session["payment_url"]).path
        return await self.request("POST", path, {"card_number": card}, headers=headers)

    async def cancel(self, who: Person, session: Json) -> Response:
        """Cancel an open session and return the response."""
        return await self.request("POST", f"/order/api/cancel-payment-session/{session['session_id']}", {}, who=who)

    async def get_session(self, who: Person, session: Json) -> Json:
        """Return a session as its buyer sees it."""
        found: Json = await self.get(f"/order/api/payment-session/{session['session_id']}", who)
        return found

    async def wait_for_status(self, status: str, who: Person, session: Json, *, timeout: float = TIMEOUT) -> Json:
        """Wait until a session has a status, and return it."""
        seen: Json = {}

        async def reached() -> bool:
            seen.update(await self.get_session(who, session))
            return bool(seen["status"] == status)

        await until(reached, f"the session is {status}", timeout=timeout)
        return seen

    async def buy(self, who: Person, basket: Basket) -> list[str]:
        """Buy a basket and return the order ids."""
        session = await self.open_session(who, basket)
        assert (await self.pay(session)).json["status"] == "paid"
        orders: list[str] = (await self.wait_for_status("paid", who, session))["order_ids"]
        return orders

    async def list_all(self, path: str, who: Person | None = None) -> list[Json]:
        """Return all items of a paged list."""
        found: list[Json] = []
        cursor = ""
        while True:
            page = await self.get(f"{path}{'&' if '?' in path else '?'}limit=100{cursor}", who)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    # ── the payment provider ──

    async def webhook(
        self,
        event: Json,
        *,
        at: float | None = None,
        headers: Mapping[str, str] | None = None,
        trace: Mapping[str, str] | None = None,
    ) -> Response:
        """Deliver a provider event, signed with the installation's secret; `trace` are headers of a trace."""
        raw = json.dumps(event).encode()
        headers = {**(headers or self.market.signed(raw, at=at)), **(trace or {})}
        return await self.request("POST", "/order/api/payment-webhook", raw=raw, headers=headers)


def paid_event(session: Json, *, amount: int | None = None, payment_id: str | None = None) -> Json:
    """Return the provider event of a completed payment."""
    checkout = {
        "id": payment_id or payment_of(session),
        "object": "checkout.session",
        "client_reference_id": session["session_id"],
        "amount_total": session["total"]["amount"] if amount is None else amount,
        "currency": "usd",
        "payment_status": "paid",
    }
    return _event("checkout.session.completed", checkout)


def declined_event(session: Json) -> Json:
    """Return the provider event of a declined card."""
    about = {"id": payment_of(session), "object": "payment_intent", "metadata": {"session_id": session["session_id"]}}
    return _event("payment_intent.payment_failed", about)


def failed_event(session: Json) -> Json:
    """Return the provider event of a payment that can no longer succeed."""
    about = {"id": payment_of(session), "object": "checkout.session", "client_reference_id": session["session_id"]}
    return _event("checkout.session.async_payment_failed", about)


def refunded_event(session: Json, amount: int) -> Json:
    """Return the provider event of a refund of an amount, by the provider itself."""
    charge = {
        "id": f"ch_{payment_of(session)}",
        "object": "charge",
        "payment_intent": payment_of(session),
        "amount": session["total"]["amount"],
        "amount_refunded": amount,
        "currency": "usd",
        "refunded": amount == session["total"]["amount"],
    }
    return _event("charge.refunded", charge)


def expired_event(session: Json) -> Json:
    """Return the provider event of an expired checkout."""
    about = {"id": payment_of(session), "object": "checkout.session", "client_reference_id": session["session_id"]}
    return _event("checkout.session.expired", about)


def payment_of(session: Json) -> str:
    """Return the provider's payment id of a session."""
    return str(session["payment_url"]).rpartition("/")[2]


def _event(kind: str, about: Json) -> Json:
    return {"id": f"evt_{token_hex(12)}", "object": "event", "type": kind, "data": {"object": about}}

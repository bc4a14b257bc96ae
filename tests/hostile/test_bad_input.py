"""Every route of every service with malformed requests: the response names the problem, and nothing crashes."""

import asyncio
import json
import os
import time
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextbuy.host.composition import SERVICES
from nextbuy.kit.service import Route
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import CLIENT, Request, Response
from tests.callers import GATEWAY
from tests.contracts.test_documents import openapi_document
from tests.hostile import junk
from tests.hostile.hostile_fixture import HostileMarket
from tests.hostile.judging import fault
from tests.hostile.odd_headers import HEADERS, TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES: Final = {
    f"{name} {route.method} {route.path}": (name, route)
    for name, entry in SERVICES.items()
    for route in entry.service.routes
}
HASHING: Final = frozenset({"auth POST register", "auth POST login"})
LIMIT: Final = 8.0
"""Seconds for one response, on a busy machine."""
NEARLY_VALID: Final = {where: junk.nearly_valid(route) for where, (_, route) in ROUTES.items()}
DOCUMENTED: Final = {
    where: openapi_document()["paths"][f"/{name}/api/{route.path}"][route.method.lower()]["responses"].keys()
    for where, (name, route) in ROUTES.items()
}
"""The statuses of each route in the OpenAPI document."""
every_route = pytest.mark.parametrize("where", ROUTES)


class Attacker:
    """A client that sends requests to one route with a permitted role and collects the faults of the responses."""

    def __init__(self, market: HostileMarket, where: str) -> None:
        self.market = market
        self.where = where
        self.service, self.route = ROUTES[where]
        self.who = _user_of(self.route)
        self.page = self.service == "simulator"
        self.ids = market.ids if self.service == "product" else market.ids_for_sale
        self.good = junk.known(junk.fields_of(self.route), self.ids)
        self.faults: list[str] = []
        self.statuses: set[int] = set()

    def path(self, **other: str) -> str:
        """Return the path of the route with ids of existing things."""
        ids = {**self.market.ids, **other}
        parts = [
            ids.get(part[1:-1], "unknown") if part.startswith("{") else part for part in self.route.path.split("/")
        ]
        return f"/{self.service}/api/{'/'.join(parts)}"

    async def send(
        self,
        *,
        path: str | None = None,
        query: str = "",
        body: bytes | None = None,
        headers: dict[str, str | None] | None = None,
        method: str | None = None,
    ) -> Response | None:
        """Send one request and check the response."""
        token = self.market.people[self.who].token if self.who else "none"
        sent: dict[str, Any] = {
            CLIENT: "203.0.113.9",
            "content-type": "application/json",
            "authorization": f"Bearer {token}" if self.who else None,
            **(headers or {}),
        }
        fields = {name: value.replace(TOKEN, token) for name, value in sent.items() if value is not None}
        if body is None:
            body = b"" if self.route.method in junk.READS else json.dumps(self.good).encode()
        request = Request(method or self.route.method, path or self.path(), query, fields, body, sender=GATEWAY)
        handle = self.market.process.handler(self.service)
        assert handle is not None
        shown = f"{request.method} {request.path[:200]}?{query[:200]} {headers or ''!s:.200} {body[:200]!r}"
        answer = None
        started = time.monotonic()
        try:
            async with asyncio.timeout(LIMIT):
                answer = await handle(request)
            wrong = fault(answer, page=self.page)
        except Exception as error:  # noqa: BLE001  any error is a fault
            wrong = f"no response after {time.monotonic() - started:.1f} s: {error!r:.300}"
        if wrong is not None:
            self.faults.append(f"{shown}\n    {wrong}")
        if answer is not None:
            self.statuses.add(answer.status)
            is_own = request.method == self.route.method and path is None
            if is_own and str(answer.status) not in DOCUMENTED[self.where]:
                self.faults.append(f"{shown}\n    {answer.status} is not documented")
            if answer.status == 204 and self.who:
                await self.market.restore_session(self.who)
        return answer

    def judge(self) -> None:
        """Fail with the first faults, if there are any."""
        assert self.faults == [], (
            f"{len(self.faults)} faults:\n" + "\n".join(self.faults[:8]).encode(errors="backslashreplace").decode()
        )


def _user_of(route: Route) -> str | None:
    if route.who is None:
        return None
    role = min(route.who, key=str)
    return {"admin": "admin", "buyer": "third_buyer", "seller": "spare_seller"}[role]


@every_route
async def test_bad_values_in_every_field(market: HostileMarket, where: str) -> None:
    attacker = Attacker(market, where)
    if attacker.route.method in junk.READS:
        for query in junk.queries_with_junk(attacker.good):
            await attacker.send(query=query)
    else:
        for body in junk.bodies_with_junk(attacker.good):
            await attacker.send(body=body)
    attacker.judge()


@every_route
async def test_bad_bodies_and_content_types(market: HostileMarket, where: str) -> None:
    attacker = Attacker(market, where)
    for body in junk.BODIES:
        await attacker.send(body=body)
        await attacker.send(body=body, headers={"content-type": "application/x-www-form-urlencoded"})
    for kind in junk.KINDS:
        await attacker.send(headers={"content-type": kind})
    await attacker.send(headers={"content-type": None})
    if attacker.route.takes_request and attacker.route.method not in junk.READS and attacker.good:
        assert {413, 415, 422} <= attacker.statuses
    attacker.judge()


@every_route
async def test_bad_ids_in_path(market: HostileMarket, where: str) -> None:
    attacker = Attacker(market, where)
    names = [part[1:-1] for part in attacker.route.path.split("/") if part.startswith("{")]
    for name in names:
        for text in junk.TEXTS:
            answer = await attacker.send(path=attacker.path(**{name: text}))
            # A slug, a trace, or a payment may be any text; an unknown one is not found.
            assert answer is None or answer.status in {200, 202, 404, 405, 422}, f"{text[:40]!r}: {answer.body[:200]!r}"
    for spelling in (f"{attacker.path()}/", f"{attacker.path()}/x", attacker.path().upper(), f"{attacker.path()}%00"):
        if spelling != attacker.path():
            await attacker.send(path=spelling)
    attacker.judge()


@every_route
async def test_bad_headers_and_methods(market: HostileMarket, where: str) -> None:
    attacker = Attacker(market, where)
    for headers in HEADERS:
        # Hashing passwords is slow, so it is skipped for headers that do not matter to it.
        hashes = where in HASHING and not headers.keys() & {"idempotency-key", "x-nextbuy-cookies"}
        await attacker.send(headers=headers, body=b"{}" if hashes else None)
    for query in junk.QUERIES if attacker.route.method in junk.READS else junk.QUERIES[:4]:
        await attacker.send(query=query)
    for method in ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "", "\xff"):
        await attacker.send(method=method)
    attacker.judge()


@every_route
@settings(
    max_examples=30,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_nearly_valid_bodies(market: HostileMarket, where: str, data: st.DataObject) -> None:
    attacker = Attacker(market, where)
    request = junk.known(data.draw(NEARLY_VALID[where]), attacker.ids if data.draw(st.booleans()) else {})
    if attacker.route.method in junk.READS:
        await attacker.send(query=_as_query(request))
    else:
        await attacker.send(body=json.dumps(request).encode())
    attacker.judge()


def _as_query(request: object) -> str:
    pairs: Iterable[tuple[object, object]] = request.items() if isinstance(request, dict) else [("q", request)]
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _quoted(value: object) -> str:
    raw = str(value).encode(errors="surrogatepass")
    return "".join(f"%{byte:02x}" for byte in raw)


async def test_signed_webhooks_with_bad_bodies(market: HostileMarket) -> None:
    attacker = Attacker(market, "order POST payment-webhook")
    session = {**market.orders["buyer"], "payment_id": "pay_unknown"}
    good = json.loads(market.webhook_body(session))
    kinds = ("payment_intent.payment_failed", "checkout.session.expired", "charge.refunded", "invoice.paid")
    bodies = [
        *junk.BODIES,
        *junk.bodies_with_junk(good),
        *(body for kind in kinds for body in junk.bodies_with_junk({**good, "id": f"evt_{kind}", "type": kind})),
    ]
    for body in bodies:
        await attacker.send(body=body, headers=dict(market.signature(body)))
    assert {200, 400, 413} <= attacker.statuses
    attacker.judge()


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/html"])
async def test_bad_card_numbers(market: HostileMarket, kind: str) -> None:
    attacker = Attacker(market, "simulator POST pay/{payment_id}")
    forms = [f"card_number={quote(text)}".encode() for text in junk.TEXTS] + [query.encode() for query in junk.QUERIES]
    for body in (*forms, *junk.BODIES, *junk.bodies_with_junk({"card_number": "4242424242424241"})):
        await attacker.send(body=body, headers={"content-type": kind})
    assert attacker.statuses <= {413, 415, 422}
    attacker.judge()


CALLS: Final = {
    answering.call.path: (name, answering.call) for name, entry in SERVICES.items() for answering in entry.service.calls
}


@pytest.mark.parametrize("path", CALLS)
async def test_only_allowed_services_make_calls(market: HostileMarket, path: str) -> None:
    service, call = CALLS[path]
    secret = market.process.settings.secret
    strangers = sorted(set(SERVICES) - set(call.callers))
    for header in ("", "x", "order.1.x", f"{call.callers[0]}.99999999999.00", "\xff", "." * 3_000, "a.\u0663.b"):
        for body in (b"", b"{}", b"[" * 100_000, b"\xff"):
            answer = await market.request("POST", path, body=body, who="admin", headers={"x-nextbuy-service": header})
            assert answer.status == 401, answer.body
            assert fault(answer) is None
    for stranger in strangers:
        signed = ServiceIdentity(secret, stranger).sign(service, "POST", path, b"{}")
        answer = await market.request("POST", path, body=b"{}", headers={"x-nextbuy-service": signed})
        assert answer.status == 403, f"{stranger}: {answer.body!r}"
    for caller in call.callers:
        for body in junk.BODIES:
            signed = ServiceIdentity(secret, caller).sign(service, "POST", path, body)
            answer = await market.request("POST", path, body=body, headers={"x-nextbuy-service": signed})
            assert fault(answer) is None, f"{body[:80]!r}: {fault(answer)}"


async def test_every_route_is_tested() -> None:
    declared = {
        f"{name} {route.method} {route.path}" for name, entry in SERVICES.items() for route in entry.service.routes
    }
    assert set(ROUTES) == declared
    tests = [
        test_bad_values_in_every_field,
        test_bad_bodies_and_content_types,
        test_bad_ids_in_path,
        test_bad_headers_and_methods,
        test_nearly_valid_bodies,
    ]
    assert all(every_route.mark in getattr(test, "pytestmark", []) for test in tests)

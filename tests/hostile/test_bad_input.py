"""Every route of every service, and whatever may be thrown at it: the answer says what is wrong, and nothing breaks."""

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
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.service import Route
from nextbuy.kit.wire import CLIENT, Request, Response
from tests.hostile import junk
from tests.hostile.hostile_fixture import Bazaar
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
"""Seconds for one answer, on a machine that does much else."""
NEAR: Final = {where: junk.near(route) for where, (_, route) in ROUTES.items()}
every_route = pytest.mark.parametrize("where", ROUTES)


class Thrower:
    """Throws requests at one route, as somebody who may use it, and keeps what was wrong with the answers."""

    def __init__(self, market: Bazaar, where: str) -> None:
        self.market = market
        self.service, self.route = ROUTES[where]
        self.who = _user_of(self.route)
        self.page = self.service == "simulator"
        self.ids = market.ids if self.service == "product" else market.to_buy
        self.good = junk.known(junk.fields_of(self.route), self.ids)
        self.faults: list[str] = []
        self.statuses: set[int] = set()

    def path(self, **other: str) -> str:
        """The route's address, with ids of things that are there."""
        ids = {**self.market.ids, **other}
        parts = [
            ids.get(part[1:-1], "unknown") if part.startswith("{") else part for part in self.route.path.split("/")
        ]
        return f"/{self.service}/api/{'/'.join(parts)}"

    async def throw(
        self,
        *,
        path: str | None = None,
        query: str = "",
        body: bytes | None = None,
        headers: dict[str, str | None] | None = None,
        method: str | None = None,
    ) -> Response | None:
        """Send one request and judge what comes."""
        token = self.market.people[self.who].token if self.who else "none"
        sent: dict[str, Any] = {
            CLIENT: "203.0.113.9",
            "content-type": "application/json",
            "authorization": f"Bearer {token}" if self.who else None,
            **(headers or {}),
        }
        kept = {name: value.replace(TOKEN, token) for name, value in sent.items() if value is not None}
        if body is None:
            body = b"" if self.route.method in junk.READS else json.dumps(self.good).encode()
        request = Request(method or self.route.method, path or self.path(), query, kept, body)
        handle = self.market.process.handler(self.service)
        assert handle is not None
        shown = f"{request.method} {request.path[:200]}?{query[:200]} {headers or ''!s:.200} {body[:200]!r}"
        answer = None
        began = time.monotonic()
        try:
            async with asyncio.timeout(LIMIT):
                answer = await handle(request)
            wrong = fault(answer, page=self.page)
        except Exception as error:  # noqa: BLE001  whatever it is, it should have been an answer
            wrong = f"no answer after {time.monotonic() - began:.1f} s: {error!r:.300}"
        if wrong is not None:
            self.faults.append(f"{shown}\n    {wrong}")
        if answer is not None:
            self.statuses.add(answer.status)
            if answer.status == 204 and self.who:
                await self.market.stay(self.who)
        return answer

    def judge(self) -> None:
        """Fail with the first faults, where there are any."""
        assert self.faults == [], (
            f"{len(self.faults)} faults:\n" + "\n".join(self.faults[:8]).encode(errors="backslashreplace").decode()
        )


def _user_of(route: Route) -> str | None:
    if route.who is None:
        return None
    role = min(route.who, key=str)
    return {"admin": "admin", "buyer": "nobody_else", "seller": "scapegoat"}[role]


@every_route
async def test_bad_values_in_every_field(market: Bazaar, where: str) -> None:
    thrower = Thrower(market, where)
    if thrower.route.method in junk.READS:
        for query in junk.queries_with_junk(thrower.good):
            await thrower.throw(query=query)
    else:
        for body in junk.bodies_with_junk(thrower.good):
            await thrower.throw(body=body)
    thrower.judge()


@every_route
async def test_bad_bodies_and_kinds(market: Bazaar, where: str) -> None:
    thrower = Thrower(market, where)
    for body in junk.BODIES:
        await thrower.throw(body=body)
        await thrower.throw(body=body, headers={"content-type": "application/x-www-form-urlencoded"})
    for kind in junk.KINDS:
        await thrower.throw(headers={"content-type": kind})
    await thrower.throw(headers={"content-type": None})
    if thrower.route.takes_request and thrower.route.method not in junk.READS and thrower.good:
        assert {413, 415, 422} <= thrower.statuses
    thrower.judge()


@every_route
async def test_bad_ids_in_the_address(market: Bazaar, where: str) -> None:
    thrower = Thrower(market, where)
    names = [part[1:-1] for part in thrower.route.path.split("/") if part.startswith("{")]
    for name in names:
        for text in junk.TEXTS:
            answer = await thrower.throw(path=thrower.path(**{name: text}))
            # A slug, a trace or a payment may be anything; what is none of ours is not there.
            assert answer is None or answer.status in {200, 202, 404, 405, 422}, f"{text[:40]!r}: {answer.body[:200]!r}"
    for spelling in (f"{thrower.path()}/", f"{thrower.path()}/x", thrower.path().upper(), f"{thrower.path()}%00"):
        if spelling != thrower.path():
            await thrower.throw(path=spelling)
    thrower.judge()


@every_route
async def test_bad_headers_and_methods(market: Bazaar, where: str) -> None:
    thrower = Thrower(market, where)
    for headers in HEADERS:
        # A password is hashed for each, which takes long: where the header is nothing to the act, there is none.
        hashes = where in HASHING and not headers.keys() & {"idempotency-key", "x-nextbuy-cookies"}
        await thrower.throw(headers=headers, body=b"{}" if hashes else None)
    for query in junk.QUERIES if thrower.route.method in junk.READS else junk.QUERIES[:4]:
        await thrower.throw(query=query)
    for method in ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "", "\xff"):
        await thrower.throw(method=method)
    thrower.judge()


@every_route
@settings(
    max_examples=30,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_bodies_that_are_nearly_right(market: Bazaar, where: str, data: st.DataObject) -> None:
    thrower = Thrower(market, where)
    said = junk.known(data.draw(NEAR[where]), thrower.ids if data.draw(st.booleans()) else {})
    if thrower.route.method in junk.READS:
        await thrower.throw(query=_as_query(said))
    else:
        await thrower.throw(body=json.dumps(said).encode())
    thrower.judge()


def _as_query(said: object) -> str:
    pairs: Iterable[tuple[object, object]] = said.items() if isinstance(said, dict) else [("q", said)]
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _quoted(value: object) -> str:
    raw = str(value).encode(errors="surrogatepass")
    return "".join(f"%{byte:02x}" for byte in raw)


async def test_signed_notices_that_make_no_sense(market: Bazaar) -> None:
    thrower = Thrower(market, "order POST payment-webhook")
    session = {**market.orders["buyer"], "payment_id": "pay_unheard_of"}
    good = json.loads(market.notice(session))
    kinds = ("payment_intent.payment_failed", "checkout.session.expired", "charge.refunded", "invoice.paid")
    bodies = [
        *junk.BODIES,
        *junk.bodies_with_junk(good),
        *(body for kind in kinds for body in junk.bodies_with_junk({**good, "id": f"evt_{kind}", "type": kind})),
    ]
    for body in bodies:
        await thrower.throw(body=body, headers=dict(market.signature(body)))
    assert {200, 400, 413} <= thrower.statuses
    thrower.judge()


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/html"])
async def test_cards_that_are_none(market: Bazaar, kind: str) -> None:
    thrower = Thrower(market, "simulator POST pay/{payment_id}")
    forms = [f"card_number={quote(text)}".encode() for text in junk.TEXTS] + [query.encode() for query in junk.QUERIES]
    for body in (*forms, *junk.BODIES, *junk.bodies_with_junk({"card_number": "4242424242424241"})):
        await thrower.throw(body=body, headers={"content-type": kind})
    assert thrower.statuses <= {413, 415, 422}
    thrower.judge()


CALLS: Final = {
    answering.call.path: (name, answering.call) for name, entry in SERVICES.items() for answering in entry.service.calls
}


@pytest.mark.parametrize("path", CALLS)
async def test_nobody_but_a_service_makes_a_call(market: Bazaar, path: str) -> None:
    service, call = CALLS[path]
    secret = market.process.settings.secret
    strangers = sorted(set(SERVICES) - set(call.callers))
    for header in ("", "x", "order.1.x", f"{call.callers[0]}.99999999999.00", "\xff", "." * 3_000, "a.\u0663.b"):
        for body in (b"", b"{}", b"[" * 100_000, b"\xff"):
            answer = await market.ask("POST", path, body=body, who="admin", headers={"x-nextbuy-service": header})
            assert answer.status == 401, answer.body
            assert fault(answer) is None
    for stranger in strangers:
        signed = ServiceIdentity(secret, stranger).sign(service)
        answer = await market.ask("POST", path, body=b"{}", headers={"x-nextbuy-service": signed})
        assert answer.status == 403, f"{stranger}: {answer.body!r}"
    for caller in call.callers:
        signed = ServiceIdentity(secret, caller).sign(service)
        for body in junk.BODIES:
            answer = await market.ask("POST", path, body=body, headers={"x-nextbuy-service": signed})
            assert fault(answer) is None, f"{body[:80]!r}: {fault(answer)}"


async def test_no_route_is_left_out() -> None:
    declared = {
        f"{name} {route.method} {route.path}" for name, entry in SERVICES.items() for route in entry.service.routes
    }
    assert set(ROUTES) == declared
    tests = [
        test_bad_values_in_every_field,
        test_bad_bodies_and_kinds,
        test_bad_ids_in_the_address,
        test_bad_headers_and_methods,
        test_bodies_that_are_nearly_right,
    ]
    assert all(every_route.mark in getattr(test, "pytestmark", []) for test in tests)

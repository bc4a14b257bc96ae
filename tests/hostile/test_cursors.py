"""A cursor belongs to one list, with its order, filters, words and account: every other list refuses it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final
from urllib.parse import urlencode

import pytest
from msgspec import inspect

from nextbuy.contracts.values import Role
from nextbuy.host.composition import SERVICES
from nextbuy.kit.service import Route
from tests.hostile.hostile_fixture import HostileMarket
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS: Final = {
    "q": ("thrown", "fired", "hand thrown"),
    "status": ("paid", "failed"),
    "category": (None, "ceramics", "glass"),
    "stock_max": (None, "5"),
    "price_min": (None, "1"),
    "price_max": (None, "99999999"),
    "shop_id": (None, "01a204df-ff5d-734d-ae03-88a265c7785c"),
}
TIMES: Final = (None, "2020-01-01T00:00:00Z")
WORDS: Final = (None, "none.such")
WITH_PAGES: Final = 7
"""Lists of the fixture, at least, that have a second page."""


@dataclass(frozen=True)
class Listing:
    """A list route with some of its filters."""

    path: str
    who: str | None
    filters: tuple[tuple[str, str], ...]

    async def get(self, market: HostileMarket, **page: str) -> tuple[int, dict[str, object]]:
        """Return the status and the body of a page."""
        query = urlencode({**dict(self.filters), **page})
        answer = await market.request("GET", self.path, query=query, who=self.who)
        return answer.status, json.loads(answer.body)


def listings() -> Iterator[Listing]:
    """Yield every route with a cursor, with each value of its order and each of its filters."""
    for name, entry in SERVICES.items():
        for route in entry.service.routes:
            if route.method == "GET" and "cursor" in route.request.__struct_fields__:
                yield from (Listing(f"/{name}/api/{route.path}", _user_of(route), one) for one in _filters(route))


def personal_lists() -> Iterator[Listing]:
    """Yield the lists of buyers and sellers that need a login, without filters; admins share their lists."""
    for name, entry in SERVICES.items():
        for route in entry.service.routes:
            if route.method == "GET" and "cursor" in route.request.__struct_fields__:
                roles = sorted((route.who or frozenset()) - {Role.ADMIN})
                yield from (Listing(f"/{name}/api/{route.path}", role.value, ()) for role in roles)


def _filters(route: Route) -> Iterator[tuple[tuple[str, str], ...]]:
    kind = inspect.type_info(route.request)
    assert isinstance(kind, inspect.StructType)
    fields = {field.name: _values(field) for field in kind.fields if field.name not in {"limit", "cursor"}}
    chosen = product(*fields.values()) if len(fields) <= 2 else _one_at_a_time(fields)
    for values in chosen:
        yield tuple((name, value) for name, value in zip(fields, values, strict=True) if value is not None)


def _values(field: inspect.Field) -> tuple[str | None, ...]:
    kind = field.type.type if isinstance(field.type, inspect.Metadata) else field.type
    if isinstance(kind, inspect.LiteralType):
        given = tuple(str(value) for value in kind.values)
        return given if field.required or field.default in kind.values else (None, *given)
    texts = TIMES if isinstance(kind, inspect.DateTimeType) else TEXTS.get(field.name, WORDS)
    return texts if field.required or texts[0] is None else (None, *texts)


def _one_at_a_time(fields: dict[str, tuple[str | None, ...]]) -> Iterator[tuple[str | None, ...]]:
    usual = tuple(values[0] for values in fields.values())
    yield usual
    for place, values in enumerate(fields.values()):
        yield from ((*usual[:place], value, *usual[place + 1 :]) for value in values[1:])


def _user_of(route: Route) -> str | None:
    return None if route.who is None else min(str(role) for role in route.who)


async def test_cursor_is_refused_by_every_other_list(market: HostileMarket) -> None:
    every = list(listings())
    assert len(every) == len(set(every)) > 30
    cursors: dict[Listing, str] = {}
    for listing in every:
        status, page = await listing.get(market, limit="1")
        assert status == 200, (listing, page)
        if page["next_cursor"]:
            cursors[listing] = str(page["next_cursor"])
            assert (await listing.get(market, cursor=cursors[listing]))[0] == 200
    assert len({listing.path for listing in cursors}) >= WITH_PAGES, sorted(cursors, key=str)

    accepted = []
    for source, listing in product(cursors, every):
        if source != listing:
            status, page = await listing.get(market, cursor=cursors[source])
            if (status, page.get("slug")) != (422, "invalid-cursor"):
                accepted.append((source, listing, status))
    assert accepted == []


PERSONAL = list(personal_lists())


@pytest.mark.parametrize("listing", PERSONAL, ids=[f"{listing.who} {listing.path}" for listing in PERSONAL])
async def test_cursor_of_a_personal_list_is_refused_from_another_account(
    market: HostileMarket, listing: Listing
) -> None:
    async def has_next_page() -> bool:
        return (await listing.get(market, limit="1"))[1]["next_cursor"] is not None

    if listing.who == "buyer" and not await has_next_page():
        await market.order("buyer", {"id": market.ids_for_sale["product_id"]})
    await until(has_next_page, "the list has two pages")
    cursor = str((await listing.get(market, limit="1"))[1]["next_cursor"])
    other = replace(listing, who=f"other_{listing.who}")

    status, problem = await other.get(market, cursor=cursor)

    assert (await listing.get(market, cursor=cursor))[0] == 200
    assert (status, problem.get("slug")) == (422, "invalid-cursor")

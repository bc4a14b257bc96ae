"""GET /admin/api/search: find orders, payments, people, products, shops and requests."""

import re
from typing import Annotated, Final
from urllib.parse import quote

from msgspec import Meta, Struct

from nextbuy.admin.deps import Deps
from nextbuy.admin.search_index import search_term
from nextbuy.admin.search_store import IndexedEntry, search_entries
from nextbuy.contracts.auth import FoundAccount
from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.values import NOT_BLANK
from nextbuy.kit.http.caller import Caller

_TRACEABLE: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""The form of the ids of requests and traces."""
_LINKS: Final = {"order": "/order/{}", "payment": "/trace?id={}", "product": "/product/{}", "shop": "/shop/{}"}


class Search(Struct, frozen=True):
    """The beginning of an id, a number, a title, an e-mail address or a name."""

    q: Annotated[str, Meta(min_length=2, max_length=254, examples=["ada@example.com"]), NOT_BLANK]


class Found(Struct, frozen=True, kw_only=True):
    """A search result; `kind` is order, payment, person, product, shop or request, and `link` the path of its page."""

    kind: str
    id: str
    title: str
    status: str
    detail: str = ""
    """The e-mail address of a person, or why a payment failed; else empty."""
    link: str


class SearchResults(Struct, frozen=True):
    """The results by kind, the best of each kind first; `incomplete` means that people could not be searched."""

    items: list[Found]
    incomplete: bool = False


async def search(deps: Deps, caller: Caller, request: Search) -> SearchResults:
    """Find up to 10 orders, payments, people, products and shops each, and link the id of a request to its trace."""
    await deps.auth.validate_admin(caller)
    text, incomplete, accounts = request.q.strip(), False, list[FoundAccount]()
    try:
        accounts = await deps.auth.find_accounts(text)
    except Unavailable:
        incomplete = True
    entries = await search_entries(deps.database, search_term(text))
    items = [*map(_person, accounts), *map(_entry, entries)]
    if not items and _TRACEABLE.fullmatch(text):
        items.append(Found(kind="request", id=text, title=text, status="", link=f"/trace?id={text}"))
    return SearchResults(items, incomplete)


def _person(account: FoundAccount) -> Found:
    return Found(
        kind="person",
        id=str(account.id),
        title=account.name,
        status="suspended" if account.suspended else "",
        detail=account.email,
        link=f"/admin/person/{account.id}",
    )


def _entry(entry: IndexedEntry) -> Found:
    return Found(
        kind=entry.kind,
        id=entry.id,
        title=entry.title,
        status=entry.status,
        detail=entry.reason,
        link=_LINKS[entry.kind].format(quote(entry.id, safe="")),
    )

"""`/admin/search?q=`: orders, payments, people, products, shops and requests that match, for admins."""

from itertools import groupby
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import AppError, Unprocessable
from nextbuy.contracts.order import reason_text
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.visit import View, Visit

_MAX_QUERY: Final = 200


class Found(Struct):
    """A search result."""

    kind: str
    id: str
    title: str
    status: str
    detail: str
    link: str


class Group(Struct):
    """The results of one kind."""

    kind: str
    items: list[Found]


class OperatorSearchView(View):
    """The content of the results page; without `q`, only the search box."""

    q: str
    groups: list[Group]
    incomplete: bool = False
    error: str = ""


class _Results(Struct):
    items: list[Found]
    incomplete: bool


async def operator_search(visit: Visit) -> Response:
    """Show what matches, grouped by kind."""
    await require_admin(visit)
    q = visit.request.query_params.get("q", "").strip()[:_MAX_QUERY]
    if not q:
        return await visit.page("operator_search", OperatorSearchView("", []))
    try:
        results = await visit.api.get("/admin/api/search", _Results, q=q)
    except Unprocessable as error:
        return await visit.page(
            "operator_search", OperatorSearchView(q, [], error=_message(error)), status=error.status
        )
    for item in results.items:
        if item.kind == "payment":
            item.detail = reason_text(item.detail)
    groups = [Group(kind, list(items)) for kind, items in groupby(results.items, key=lambda item: item.kind)]
    return await visit.page("operator_search", OperatorSearchView(q, groups, results.incomplete))


def _message(error: AppError) -> str:
    return error.errors[0].message if error.errors else error.detail

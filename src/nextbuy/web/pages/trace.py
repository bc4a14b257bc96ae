"""`/trace?id=`: what happened around an order, a payment, a product or a request, across all services.

For admins. The page answers the first question of support, where something went wrong and why, from any id that a
person can read off a page, an e-mail or an error.
"""

from collections.abc import Sequence

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import NotFound, Unprocessable
from nextbuy.contracts.values import Page
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.sequence import DRAWN, Diagram, Interaction, draw
from nextbuy.web.visit import View, Visit


class Bar(Struct):
    """The place of an interaction in time, in thousandths of the whole story."""

    start: int
    length: int


class TraceView(View):
    """The content of the trace page; without an id, only the search box."""

    id: str
    interactions: list[Interaction]
    bars: list[Bar]
    notable: list[Interaction]
    diagram: Diagram | None
    took_ms: float = 0.0
    missing: bool = False


async def trace(visit: Visit) -> Response:
    """Show the story of an id."""
    await require_admin(visit)
    wanted = visit.request.query_params.get("id", "").strip()[:128]
    if not wanted:
        return await visit.page("trace", TraceView("", [], [], [], None))
    try:
        found = await visit.api.get(f"/kafka/api/traces/{wanted}", Page[Interaction])
    except (NotFound, Unprocessable):
        found = Page([])
    # A call is shown once, as its caller sees it.
    items = [one for one in found.items if one.kind in DRAWN]
    if not items:
        return await visit.page("trace", TraceView(wanted, [], [], [], None, missing=True), status=404)
    first, last = items[0].at, max(items, key=lambda one: one.at.timestamp() + one.took_ms / 1000)
    took = max((last.at - first).total_seconds() * 1000 + last.took_ms, 0.001)
    notable = [one for one in items if one.notable and one.kind != "forward"]
    view = TraceView(wanted, items, _bars(items, took), notable, draw(items), took)
    return await visit.page("trace", view)


def _bars(items: Sequence[Interaction], took: float) -> list[Bar]:
    first = items[0].at
    starts = [(one.at - first).total_seconds() * 1000 for one in items]
    return [
        Bar(round(1000 * start / took), max(2, round(1000 * one.took_ms / took)))
        for start, one in zip(starts, items, strict=True)
    ]

"""`/admin/queue`: products and shops that wait for an admin's decision, with the findings of moderation."""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.product import Product
from nextbuy.contracts.seller import Seller
from nextbuy.contracts.values import Page
from nextbuy.web.api import Ignored, secondary
from nextbuy.web.forms import Failure, failure_of, form_key, hidden_id
from nextbuy.web.marks import Part, mark
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.visit import View, Visit

PATH: Final = "/admin/queue"
_PRODUCTS: Final = "/admin/api/get-pending-products"
_SELLERS: Final = "/admin/api/get-pending-sellers"
_LIMIT: Final = 20


class QueuedProduct(Struct):
    """A product that waits, with the words that moderation has found as marked parts of its texts."""

    product: Product
    title: list[Part]
    description: list[Part]
    tags: list[list[Part]]


class QueueView(View):
    """The content of the queue: the products or the shops of one page, and how many of both wait."""

    kind: str
    products: list[QueuedProduct]
    sellers: list[Seller]
    waiting: dict[str, str]
    """The number of products and of shops that wait, such as `20+`; a missing one is unavailable."""
    next_cursor: str
    first: bool
    done: str
    failure: Failure


class _Decision(Struct):
    path: str
    kind: str
    has_reason: bool


_DECISIONS: Final = {
    "approve-product": _Decision("/admin/api/approve-product", "products", has_reason=False),
    "reject-product": _Decision("/admin/api/reject-product", "products", has_reason=True),
    "approve-shop": _Decision("/admin/api/approve-seller", "shops", has_reason=False),
    "reject-shop": _Decision("/admin/api/reject-seller", "shops", has_reason=True),
}


async def queue(visit: Visit) -> Response:
    """Show the products or the shops that wait."""
    query = visit.request.query_params
    kind = "shops" if query.get("kind") == "shops" else "products"
    done = query.get("done", "")
    return await _page(visit, kind, query.get("cursor", ""), done=done if done in _DECISIONS else "")


async def _decide(name: str, visit: Visit) -> Response:
    """Send a decision about the version that the admin has seen, and return to the queue."""
    await require_admin(visit)
    decision, form = _DECISIONS[name], await visit.form()
    typed = {"id": form.get("id", ""), "name": form.get("name", ""), "reason": form.get("reason", "").strip()}
    path = f"{decision.path}/{hidden_id(form)}"
    body = {"reason": typed["reason"]} if decision.has_reason else {}
    try:
        await visit.api.send("POST", path, body, Ignored, key=form_key(form), etag=form.get("etag", ""))
    except AppError as error:
        failure = failure_of(error, name, typed)
        return await _page(visit, decision.kind, "", failure=failure, status=error.status)
    kind = "kind=shops&" if decision.kind == "shops" else ""
    return visit.redirect(f"{PATH}?{kind}done={name}")


DECISIONS: Final = {f"{PATH}/{name}": partial(_decide, name) for name in _DECISIONS}
"""The forms of the page, by the path that each posts to."""


async def _page(
    visit: Visit, kind: str, cursor: str, *, done: str = "", failure: Failure | None = None, status: int = 200
) -> Response:
    await require_admin(visit)
    if kind == "shops":
        sellers, other = await asyncio.gather(
            visit.api.get(_SELLERS, Page[Seller], limit=_LIMIT, cursor=cursor),
            secondary(visit.api.get(_PRODUCTS, Page[Product], limit=_LIMIT)),
        )
        shown: list[Seller] = sellers.items
        listed: list[QueuedProduct] = []
        waiting, next_cursor = _waiting(products=other, shops=sellers), sellers.next_cursor
    else:
        products, others = await asyncio.gather(
            visit.api.get(_PRODUCTS, Page[Product], limit=_LIMIT, cursor=cursor),
            secondary(visit.api.get(_SELLERS, Page[Seller], limit=_LIMIT)),
        )
        shown, listed = [], [_queued(product) for product in products.items]
        waiting, next_cursor = _waiting(products=products, shops=others), products.next_cursor
    view = QueueView(kind, listed, shown, waiting, next_cursor or "", not cursor, done, failure or Failure())
    return await visit.page("queue", view, status=status)


def _waiting(**pages: Page[Product] | Page[Seller] | None) -> dict[str, str]:
    return {
        name: f"{len(page.items)}{'+' if page.next_cursor else ''}" for name, page in pages.items() if page is not None
    }


def _queued(product: Product) -> QueuedProduct:
    against = [finding for finding in product.moderation.reasons if finding.points <= 0 and finding.word]

    def words(field: str) -> Iterable[str]:
        return (finding.word for finding in against if finding.field == field)

    return QueuedProduct(
        product,
        mark(product.title, words("title")),
        mark(product.description, words("description")),
        [mark(tag, words("tags")) for tag in product.tags],
    )

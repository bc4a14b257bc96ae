"""`/admin/queue`: products and shops that wait for an admin's decision, with the findings of moderation."""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import AppError, Unauthenticated
from nextbuy.contracts.product import Product
from nextbuy.contracts.seller import Seller
from nextbuy.contracts.values import Page
from nextbuy.web.api import Ignored, secondary
from nextbuy.web.forms import hidden_id
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


class Refusal(Struct):
    """A decision that the API has refused, with the error, the changes since the page was shown, and the typed text."""

    name: str
    slug: str
    error: str
    changes: list[str]
    typed: dict[str, str]
    errors: dict[str, str]


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
    refusal: Refusal | None


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
    reason = form.get("reason", "").strip()
    path = f"{decision.path}/{hidden_id(form)}"
    body = {"reason": reason} if decision.has_reason else {}
    try:
        await visit.api.send("POST", path, body, Ignored, key=form.get("key", ""), etag=form.get("etag", ""))
    except Unauthenticated:
        raise
    except AppError as error:
        messages = {one.field: one.message for one in error.errors or []}
        refusal = Refusal(
            form.get("name", ""),
            error.slug,
            error.detail,
            [message for field, message in messages.items() if field != "reason"],
            {"id": form.get("id", ""), "reason": reason},
            {"reason": messages["reason"]} if "reason" in messages else {},
        )
        return await _page(visit, decision.kind, "", refusal=refusal, status=error.status)
    kind = "kind=shops&" if decision.kind == "shops" else ""
    return visit.redirect(f"{PATH}?{kind}done={name}")


DECISIONS: Final = {f"{PATH}/{name}": partial(_decide, name) for name in _DECISIONS}
"""The forms of the page, by the path that each posts to."""


async def _page(
    visit: Visit, kind: str, cursor: str, *, done: str = "", refusal: Refusal | None = None, status: int = 200
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
    view = QueueView(kind, listed, shown, waiting, next_cursor or "", not cursor, done, refusal)
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

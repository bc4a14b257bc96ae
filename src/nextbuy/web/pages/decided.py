"""`/admin/queue/decided`: the latest decisions about products and shops, with a way to undo each."""

import asyncio
from functools import partial
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import AlreadyDecided, AppError
from nextbuy.contracts.values import Page
from nextbuy.web.api import Ignored
from nextbuy.web.forms import Failure, failure_of, form_key, hidden_id
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.pages.audit import Act
from nextbuy.web.visit import View, Visit

PATH: Final = "/admin/queue/decided"
_LIMIT: Final = 25
"""Decisions of each kind; the audit has all."""


class Decision(Act):
    """An act of an admin that decides about a product or a shop."""

    latest: bool = False
    """Whether it is the latest about its product or shop, so that it can be undone."""

    @property
    def kind(self) -> str:
        """Product or shop."""
        return "product" if self.action == "decide-product" else "shop"

    @property
    def can_be_undone(self) -> bool:
        """Whether another decision undoes it; not the rejection of a version of a product that is unknown."""
        is_known = bool(self.details.get("etag")) or (self.kind, self.after) != _REJECTED_PRODUCT
        return is_known and (self.kind, self.after) in _REVERSALS


class DecidedView(View):
    """The content of the page."""

    decisions: list[Decision]
    done: str
    failure: Failure


class _Product(Struct):
    id: str
    etag: str
    status: str


class _ProductFound(Struct):
    product: _Product


class _Shop(Struct):
    status: str
    version: int


class _ShopFound(Struct):
    shop: _Shop


class _Reversal(Struct):
    path: str
    has_reason: bool


_REVERSALS: Final = {
    ("product", "active"): _Reversal("/admin/api/reject-product", has_reason=True),
    ("product", "rejected"): _Reversal("/admin/api/approve-product", has_reason=False),
    ("shop", "approved"): _Reversal("/admin/api/suspend-seller", has_reason=True),
    ("shop", "rejected"): _Reversal("/admin/api/approve-seller", has_reason=False),
    ("shop", "suspended"): _Reversal("/admin/api/reinstate-seller", has_reason=True),
}
"""The decision that undoes each status of a product or a shop."""
_REJECTED_PRODUCT: Final = ("product", "rejected")
"""Its seller may have changed it since, and moderation rejected it again: only what the admin saw is approved."""


async def decided(visit: Visit) -> Response:
    """Show the latest decisions."""
    return await _page(visit, done=visit.request.query_params.get("done", "") == "undo")


async def _undo(kind: str, visit: Visit) -> Response:
    """Reverse a decision, unless the product or the shop has another status, or a rejected product has changed."""
    await require_admin(visit)
    form = await visit.form()
    item, after = hidden_id(form), form.get("after", "")
    typed = {"id": form.get("id", ""), "reason": form.get("reason", "").strip()}
    try:
        reversal, etag = await _version(visit, kind, item, form.get("shop_id", ""), after)
        if (kind, after) == _REJECTED_PRODUCT:
            etag = form.get("etag", "") or '""'
        body = {"reason": typed["reason"]} if reversal.has_reason else {}
        await visit.api.send("POST", f"{reversal.path}/{item}", body, Ignored, key=form_key(form), etag=etag)
    except AppError as error:
        return await _page(visit, failure=failure_of(error, kind, typed), status=error.status)
    return visit.redirect(f"{PATH}?done=undo")


UNDO_FORMS: Final = {f"{PATH}/undo-{kind}": partial(_undo, kind) for kind in ("product", "shop")}
"""The forms of the page, by the path that each posts to."""


async def _version(visit: Visit, kind: str, item: str, shop_id: str, after: str) -> tuple[_Reversal, str]:
    """Return the reversal of a decision, and the version of the product or shop that still has it.

    Raises:
        AlreadyDecided: it has another status by now.
    """
    if kind == "product":
        product = (await visit.api.get(f"/product/api/get-product/{item}", _ProductFound)).product
        status, etag = product.status, product.etag
    else:
        shop = (await visit.api.get(f"/seller/api/get-shop/{hidden_id({'id': shop_id})}", _ShopFound)).shop
        status, etag = shop.status, f'"{shop.version}"'
    reversal = _REVERSALS.get((kind, after))
    if reversal is None or status != after:
        raise AlreadyDecided(
            "Nothing was undone: this was decided or changed again after you opened the page. Check the list below."
        )
    return reversal, etag


async def _page(visit: Visit, *, done: bool = False, failure: Failure | None = None, status: int = 200) -> Response:
    await require_admin(visit)
    actions = ("decide-product", "decide-seller")
    pages = await asyncio.gather(
        *(visit.api.get("/admin/api/audit", Page[Decision], limit=_LIMIT, action=action) for action in actions)
    )
    decisions = sorted((one for page in pages for one in page.items), key=lambda one: one.at, reverse=True)
    known: set[str] = set()
    for one in decisions:
        one.latest = one.subject not in known and one.can_be_undone
        known.add(one.subject)
    return await visit.page(
        "decided", DecidedView(decisions, "undo" if done else "", failure or Failure()), status=status
    )

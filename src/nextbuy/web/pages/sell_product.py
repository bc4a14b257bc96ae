"""`/sell/product/new` and `/sell/product/{id}`: add a product, and change every field of it.

The form carries the values that the seller has read. Only fields that differ from them are sent, with the ETag of that
version: a sale in the meantime does not block a change of the title, and no change of another window is overwritten.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, field
from starlette.responses import Response

from nextbuy.contracts.errors import AppError, FieldError, NotFound, PreconditionFailed, Unprocessable
from nextbuy.contracts.product import Moderation, PublicProduct
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import MAX_STOCK
from nextbuy.web.forms import Failure, failure_of, form_key
from nextbuy.web.pages.own_shop import own_shop
from nextbuy.web.prices import price_of, price_text
from nextbuy.web.visit import View, Visit

_SEEN: Final = "seen_"
"""The prefix of the hidden fields that have the values which the seller has read."""
_PART: Final = re.compile(r"[.\[]")


class EditedProduct(PublicProduct, frozen=True, kw_only=True):
    """A product with the verdict of moderation, which its seller sees."""

    moderation: Moderation | None = None
    on_sale: bool = True
    archived: bool = False


class ProductForm(Struct):
    """The form of a product: its values, the version that they were read from, and what is wrong with them."""

    values: dict[str, str]
    seen: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    failure: Failure = field(default_factory=Failure)
    stale: bool = False
    changes: list[str] = field(default_factory=list)
    """A sentence for each change since the version that was read."""


class SellProductView(View):
    """The content of the page of a product; without one, it is new."""

    shop: Shop
    product: EditedProduct | None
    form: ProductForm
    done: str = ""


class _Found(Struct):
    product: EditedProduct


class _Id(Struct):
    id: UUID


class _Saved(Struct):
    product: _Id


async def new_product(visit: Visit) -> Response:
    """Show an empty form."""
    await visit.require_account()
    return await _new(visit, None)


async def add_product(visit: Visit) -> Response:
    """Add a product, and show it with the findings of moderation."""
    await visit.require_account()
    sent = await visit.form()
    typed = _typed(sent)
    try:
        saved = await visit.api.send("POST", "/product/api/create-product", _body(typed), _Saved, key=form_key(sent))
    except AppError as error:
        return await _new(visit, ProductForm(typed, failure=_failure(error, typed)), status=error.status)
    return visit.redirect(f"/sell/product/{saved.product.id}?done=saved")


async def edit_product(visit: Visit) -> Response:
    """Show a product in the form."""
    await visit.require_account()
    return await _edit(visit, None)


async def change_product(visit: Visit) -> Response:
    """Save the fields that the seller has changed, unless the product has changed in the meantime."""
    await visit.require_account()
    sent = await visit.form()
    typed, seen, etag = _typed(sent), _typed(sent, _SEEN), sent.get("etag", "")
    path = f"/product/api/update-product/{visit.request.path_params['product_id']}"
    try:
        body = _body({name: text for name, text in typed.items() if text != seen[name]})
        if body:
            await visit.api.send("PUT", path, body, _Saved, key=form_key(sent), etag=etag)
    except PreconditionFailed as error:
        changes = [one.message for one in error.errors or []]
        form = ProductForm(typed, seen, stale=True, changes=changes)
        return await _edit(visit, form, status=error.status)
    except AppError as error:
        return await _edit(visit, ProductForm(typed, seen, etag, _failure(error, typed)), status=error.status)
    return visit.redirect(f"{visit.request.url.path}?done=saved")


async def _new(visit: Visit, form: ProductForm | None, *, status: int = 200) -> Response:
    shop = await own_shop(visit.api)
    if shop is None:
        return visit.redirect("/sell")
    first = {**dict.fromkeys(_READ, ""), "category": shop.category, "stock": "1"}
    view = SellProductView(shop, None, form or ProductForm(first))
    return await visit.page("sell_product", view, status=status)


async def _edit(visit: Visit, form: ProductForm | None, *, status: int = 200) -> Response:
    key = visit.request.path_params["product_id"]
    shop, found = await asyncio.gather(own_shop(visit.api), visit.api.get(f"/product/api/get-product/{key}", _Found))
    product = found.product
    if shop is None or product.shop_id != shop.id:
        raise NotFound
    stored = _entries(product)
    if form is None:
        form = ProductForm(stored, stored, product.etag)
    elif form.stale:
        # What was typed stays, and fields that were not edited follow the product.
        values = {name: text if text != form.seen[name] else stored[name] for name, text in form.values.items()}
        form = ProductForm(values, stored, product.etag, stale=True, changes=form.changes)
    done = visit.request.query_params.get("done", "")
    return await visit.page("sell_product", SellProductView(shop, product, form, done), status=status)


def _entries(product: PublicProduct) -> dict[str, str]:
    """Return the fields of a product as the form shows them."""
    return {
        "title": product.title,
        "description": _one_form(product.description),
        "category": product.category,
        "price": price_text(product.price),
        "stock": str(product.stock),
        "tags": ", ".join(product.tags),
    }


def _typed(sent: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    return {name: _one_form(sent.get(f"{prefix}{name}", "")) for name in _READ}


def _one_form(text: str) -> str:
    """Return a text with plain line breaks and no space around it, as a browser may change both."""
    return text.replace("\r\n", "\n").strip()


def _body(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a request.

    Raises:
        Unprocessable: a price or a stock is not a number; `errors` names the field.
    """
    body, errors = {}, []
    for name, text in typed.items():
        value = _READ[name](text)
        body[name] = value
        if value is None:
            errors.append(FieldError(name, _WRONG[name]))
    if errors:
        raise Unprocessable(errors=errors)
    return body


def _failure(error: AppError, typed: Mapping[str, str]) -> Failure:
    failure = failure_of(error, "product", typed)
    failure.errors = {_PART.split(name)[0]: message for name, message in failure.errors.items()}
    return failure


def _stock(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_STOCK)) else -1
    return number if 0 <= number <= MAX_STOCK else None


def _tags(text: str) -> list[str]:
    return [tag for part in text.split(",") if (tag := part.strip())]


_READ: Final[Mapping[str, Callable[[str], object]]] = {
    "title": str,
    "description": str,
    "category": str,
    "price": price_of,
    "stock": _stock,
    "tags": _tags,
}
"""The fields of the form, each with the function that reads it; None for an invalid text."""
_WRONG: Final = {"price": "not-a-price", "stock": "not-a-stock"}
"""The problem of an invalid field; the template has the texts."""

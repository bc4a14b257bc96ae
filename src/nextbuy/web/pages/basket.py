"""`/basket`: the basket of a visitor, grouped by shop; and the checkout."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace
from starlette.responses import Response

from nextbuy.contracts.errors import AppError, PreconditionFailed, Unprocessable
from nextbuy.contracts.values import MAX_QUANTITY, Money, PostalAddress
from nextbuy.web.api import Ignored, secondary
from nextbuy.web.forms import form_key
from nextbuy.web.pages.addresses import FIELDS, SavedAddress, missing_fields, saved_addresses
from nextbuy.web.pages.payment import ALREADY_PAID
from nextbuy.web.visit import OpenCheckout, View, Visit


class Line(Struct):
    """A line of the basket, with its product as it is now; `problem` is why it cannot be bought as it is."""

    product_id: UUID
    quantity: int
    title: str | None = None
    slug: str | None = None
    unit_price: Money | None = None
    picture: str | None = None
    shop_name: str | None = None
    shop_slug: str | None = None
    stock: int | None = None
    problem: str | None = None

    @property
    def amount(self) -> int:
        """The price of all units, in minor units."""
        return 0 if self.unit_price is None else self.unit_price.amount * self.quantity

    @property
    def limit(self) -> int:
        """The highest quantity that can be chosen."""
        return max(1, min(self.stock or 0, MAX_QUANTITY))


class Change(Struct):
    """A change of a product since it was added."""

    code: str
    title: str | None = None
    old_price: Money | None = None


class Basket(Struct):
    """The basket of a reply."""

    lines: list[Line]
    changes: list[Change]
    version: str
    open_checkout: OpenCheckout | None = None


class ShopPart(Struct):
    """The lines of one shop; `subtotal` is None if none of them can be bought."""

    name: str
    slug: str
    lines: list[Line]
    subtotal: Money | None


class BasketView(View):
    """The content of the basket page; `chosen`, `typed` and `error` belong to a checkout that failed.

    A buyer chooses one of the saved postal addresses by its id, or types another, or gives none.
    """

    parts: list[ShopPart]
    total: Money | None
    units_in_total: int
    """Units of the lines that can be bought now."""
    problems: int
    """The number of lines that cannot be bought now; they are in no total."""
    changes: list[Change]
    version: str
    addresses: list[SavedAddress]
    chosen: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    done: str = ""
    error: str = ""
    stale: bool = False
    cookies_blocked: bool = False


class _Opened(Struct):
    payment_url: str


class _CheckoutAddress(Struct):
    """The postal address of the open checkout."""

    address: PostalAddress | None


async def basket(visit: Visit) -> Response:
    """Show the basket; after an addition it is empty only if the browser has not kept its cookie."""
    done = visit.request.query_params.get("done", "")
    blocked = done == "added" and not visit.api.cookies.header
    return await visit.page("basket", replace(await _view(visit), done=done, cookies_blocked=blocked))


async def add_to_basket(visit: Visit) -> Response:
    """Add units of a product."""
    form = await visit.form()
    line = {"product_id": form.get("product_id", ""), "quantity": _quantity(form)}
    await visit.api.send("POST", "/order/api/add-to-basket", line, Ignored)
    return visit.redirect("/basket?done=added")


async def change_basket(visit: Visit) -> Response:
    """Set the quantity of one product; 0 removes it."""
    form = await visit.form()
    changed, quantity = form.get("product_id", ""), 0 if "remove" in form else _quantity(form)
    lines = (await visit.api.get("/order/api/basket", Basket)).lines
    kept = [
        {"product_id": line.product_id, "quantity": quantity if str(line.product_id) == changed else line.quantity}
        for line in lines
    ]
    body = {"lines": [line for line in kept if line["quantity"]]}
    try:
        # If the basket has changed since the visitor saw it, the API refuses the change.
        await visit.api.send("PUT", "/order/api/basket", body, Ignored, etag=f'"{form.get("version", "")}"')
    except PreconditionFailed:
        view = await _view(visit)
        view.stale = True
        return await visit.page("basket", view, status=PreconditionFailed.status)
    return visit.redirect("/basket")


async def check_out(visit: Visit) -> Response:
    """Open a checkout for the basket, which replaces an open one, and send the buyer to the payment page."""
    await visit.require_account()
    form = await visit.form()
    typed = {name: form.get(name, "").strip() for name in FIELDS}
    found = await visit.api.get("/order/api/basket", Basket)
    addresses = await saved_addresses(visit) if form.get("saved") else None
    chosen = next((one for one in addresses or [] if str(one.id) == form["saved"]), None)
    address = typed if chosen is None else chosen.fields()
    missing = missing_fields(address) if any(address.values()) else {}
    if missing:
        return await _refuse(visit, typed, missing, status=Unprocessable.status)
    body = {
        "lines": [{"product_id": line.product_id, "quantity": line.quantity} for line in found.lines],
        "address": address if any(address.values()) else None,
    }
    # Back may lead to a basket that has changed since; the same checkout, sent twice, opens one.
    key = form_key(form | {"lines": repr(body["lines"])})
    try:
        opened = await visit.api.send("POST", "/order/api/create-payment-session", body, _Opened, key=key)
    except AppError as error:
        if error.slug == ALREADY_PAID and found.open_checkout is not None:
            return visit.redirect(f"/session/{found.open_checkout.session_id}")
        errors = {one.field.removeprefix("address."): one.message for one in error.errors or []}
        return await _refuse(visit, typed, errors, "" if errors else error.detail, status=error.status)
    return visit.redirect(opened.payment_url)


async def _refuse(
    visit: Visit, typed: dict[str, str], errors: dict[str, str], error: str = "", *, status: int
) -> Response:
    """Show the basket again, with what was typed and what is wrong with it."""
    view, form = await _view(visit), await visit.form()
    view.chosen, view.typed, view.errors, view.error = form.get("saved", ""), typed, errors, error
    return await visit.page("basket", view, status=status)


async def _view(visit: Visit) -> BasketView:
    found, addresses = await asyncio.gather(visit.api.get("/order/api/basket", Basket), saved_addresses(visit))
    lines, chosen, typed = found.lines, str(addresses[0].id) if addresses else "", dict[str, str]()
    visit.units, visit.open_checkout = sum(line.quantity for line in lines), found.open_checkout
    if found.open_checkout is not None:
        chosen, typed = await _address_of_open_checkout(visit, addresses or [], chosen)
    parts = [_part(list(group)) for _, group in groupby(sorted(lines, key=_shop), key=_shop)]
    without_problem = [line for line in lines if not line.problem]
    return BasketView(
        parts,
        _sum(lines),
        sum(line.quantity for line in without_problem),
        len(lines) - len(without_problem),
        found.changes,
        found.version,
        addresses or [],
        chosen,
        typed,
    )


async def _address_of_open_checkout(
    visit: Visit, saved: Sequence[SavedAddress], chosen: str
) -> tuple[str, dict[str, str]]:
    """Return the id of the saved address that the open checkout has, or else what was typed for it."""
    found = await secondary(visit.api.get("/order/api/open-payment-session", _CheckoutAddress))
    if found is None or found.address is None:
        return chosen, {}
    typed = {name: getattr(found.address, name) for name in FIELDS}
    same = next((str(one.id) for one in saved if one.fields() == typed), "")
    return same, {} if same else typed


def _shop(line: Line) -> tuple[str, str]:
    return line.shop_name or "", line.shop_slug or ""


def _part(lines: list[Line]) -> ShopPart:
    return ShopPart(*_shop(lines[0]), lines, _sum(lines))


def _sum(lines: Sequence[Line]) -> Money | None:
    """Return the price of all lines that can be bought; None without such a line."""
    good = [line for line in lines if not line.problem and line.unit_price is not None]
    if not good or good[0].unit_price is None:
        return None
    return Money(sum(line.amount for line in good), good[0].unit_price.currency)


def _quantity(form: dict[str, str]) -> int:
    text = form.get("quantity", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else 0  # noqa: PLR2004

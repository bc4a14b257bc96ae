"""The lines of a basket: how they are added, replaced and merged, and what has changed since their owner saw them.

A line stores the title, the price and the problem that it had when it was put in. The owner has seen the basket before
a PUT, which stores the current ones; a GET stores nothing, so that it may be repeated.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from nextbuy.contracts.errors import Conflict, NotFound, Stale
from nextbuy.contracts.order import LastDecline
from nextbuy.contracts.product import Line
from nextbuy.contracts.product_offers import ProductOffer
from nextbuy.contracts.values import (
    MAX_LINES,
    MAX_QUANTITY,
    LocalPath,
    Money,
    ProductId,
    ProductTitle,
    Quantity,
    ShopId,
    ShopName,
    ShopSlug,
    Slug,
    StoredStock,
    Tagged,
    Timestamp,
)
from nextbuy.kit.wire import encode

BasketFull: Final = Conflict.of("basket-full", "Your basket is full. Remove a product before you add another.")
QuantityLimit: Final = Conflict.of("quantity-limit", "Your basket has too many units of this product. Add fewer.")
ProductNotFound: Final = NotFound.of("product-not-found", "Product not found, or not for sale.")

Problem = Literal["gone", "sold-out", "too-few"]
Offers = Mapping[UUID, ProductOffer | None]
"""Products as they are for sale now, by id: None for one that is not for sale. Other products are unknown."""
NO_VERSION: Final = "0"
"""The version of a basket that does not exist yet."""


class SeenOffer(Struct, frozen=True, omit_defaults=True):
    """A product as the owner of a basket last saw it there."""

    title: str
    unit_price: Money
    problem: Problem | None = None


class StoredLine(Struct, frozen=True, omit_defaults=True):
    """A line as it is stored; `seen` is None if the product service was unavailable when it was put in."""

    product_id: UUID
    quantity: int
    seen: SeenOffer | None = None


class ShownLine(Struct, frozen=True, kw_only=True):
    """A line with its product as it is now: null if the product is gone or unknown."""

    product_id: ProductId
    quantity: Quantity
    title: ProductTitle | None
    slug: Slug | None = None
    unit_price: Money | None = None
    picture: LocalPath | None = None
    shop_id: ShopId | None = None
    shop_name: ShopName | None = None
    shop_slug: ShopSlug | None = None
    stock: StoredStock | None = None
    problem: Annotated[
        Problem | None, Meta(description="Why the line cannot be bought as it is: not for sale, no unit, or too few.")
    ]


class BasketChange(Struct, frozen=True, kw_only=True):
    """A change since the line was put in, or since the last PUT; or a guest's line that did not fit in."""

    code: Literal["price-changed", "gone", "sold-out", "too-few", "basket-full"]
    product_id: ProductId
    title: ProductTitle | None
    old_price: Annotated[Money | None, Meta(description="The earlier price of a unit, if the price has changed.")] = (
        None
    )


class OpenCheckout(Struct, frozen=True, kw_only=True):
    """The open checkout of a buyer, whose units the basket counts as available."""

    session_id: UUID
    total: Money
    units: Annotated[
        int, Meta(ge=1, le=MAX_LINES * MAX_QUANTITY, description="The units that it holds, of all products.")
    ]
    expires_at: Timestamp
    payment_url: str
    last_decline: LastDecline | None


class BasketShown(Tagged, frozen=True, kw_only=True):
    """A basket with its changes since the owner saw it; the ETag is its version in quotes."""

    lines: Annotated[list[ShownLine], Meta(max_length=MAX_LINES)]
    changes: list[BasketChange]
    open_checkout: OpenCheckout | None
    version: Annotated[str, Meta(description="The ETag without its quotes.", examples=["0.5f2d1c3b4a59"])]

    @property
    def etag(self) -> str:
        """The version of the basket and, after a dot, the one of its products."""
        return f'"{self.version}"'


def require_version(etags: Sequence[str] | None, version: str) -> None:
    """Check that a basket has the version that one of these entity tags names; None stands for any.

    Raises:
        PreconditionFailed: it has changed since (`stale`).
    """
    if etags is not None and version not in {etag.strip('"').partition(".")[0] for etag in etags}:
        raise Stale("Your basket has changed since you read it, so nothing was saved. Read it again first.")


def show_basket(
    version: str,
    lines: Sequence[StoredLine],
    offers: Offers,
    waiting: Sequence[StoredLine] = (),
    open_checkout: OpenCheckout | None = None,
) -> BasketShown:
    """Return a basket with its products; `waiting` are lines of a guest that find no room in it."""
    shown = [_show_line(line, offers) for line in lines]
    changes = [change for line in lines for change in _changes_of(line, offers)]
    changes += [_change("basket-full", line) for line in waiting]
    content = blake2b(encode((shown, changes, open_checkout)), digest_size=6).hexdigest()
    return BasketShown(lines=shown, changes=changes, open_checkout=open_checkout, version=f"{version}.{content}")


def _show_line(line: StoredLine, offers: Offers) -> ShownLine:
    problem, offer = _problem_of(line, offers), offers.get(line.product_id)
    if offer is None:
        title = line.seen.title if line.seen else None
        return ShownLine(product_id=line.product_id, quantity=line.quantity, title=title, problem=problem)
    return ShownLine(
        product_id=line.product_id,
        quantity=line.quantity,
        title=offer.title,
        slug=offer.slug,
        unit_price=offer.unit_price.money(),
        picture=offer.picture,
        shop_id=offer.shop_id,
        shop_name=offer.shop_name,
        shop_slug=offer.shop_slug,
        stock=offer.stock,
        problem=problem,
    )


def _problem_of(line: StoredLine, offers: Offers) -> Problem | None:
    offer = offers.get(line.product_id)
    if offer is None:
        return "gone" if line.product_id in offers else None
    if offer.stock == 0:
        return "sold-out"
    return "too-few" if offer.stock < line.quantity else None


def _changes_of(line: StoredLine, offers: Offers) -> list[BasketChange]:
    if line.seen is None:
        return []
    changes: list[BasketChange] = []
    offer, problem = offers.get(line.product_id), _problem_of(line, offers)
    if offer is not None and offer.unit_price.money() != line.seen.unit_price:
        changes.append(_change("price-changed", line, offer, old_price=line.seen.unit_price))
    if problem is not None and problem != line.seen.problem:
        changes.append(_change(problem, line, offer))
    return changes


def _change(
    code: Literal["price-changed", "basket-full"] | Problem,
    line: StoredLine,
    offer: ProductOffer | None = None,
    *,
    old_price: Money | None = None,
) -> BasketChange:
    title = offer.title if offer else line.seen.title if line.seen else None
    return BasketChange(code=code, product_id=line.product_id, title=title, old_price=old_price)


def remember_offer(line: StoredLine, offers: Offers) -> StoredLine:
    """Return a line that remembers its product as it is now."""
    offer, problem = offers.get(line.product_id), _problem_of(line, offers)
    if offer is not None:
        return replace(line, seen=SeenOffer(offer.title, offer.unit_price.money(), problem))
    return line if line.seen is None or problem is None else replace(line, seen=replace(line.seen, problem=problem))


def _is_gone(product_id: UUID, offers: Offers) -> bool:
    """Return whether product says that a product is not for sale."""
    return product_id in offers and offers[product_id] is None


def add_units(lines: Sequence[StoredLine], added: Line, offers: Offers) -> list[StoredLine]:
    """Return the lines with more units of one product, which comes last if it is new.

    Raises:
        NotFound: the product is not for sale (`product-not-found`).
        Conflict: no room for another product (`basket-full`), or for that number of units (`quantity-limit`).
    """
    if _is_gone(added.product_id, offers):
        raise ProductNotFound(field="product_id")
    by_product = {line.product_id: line for line in lines}
    line = by_product.get(added.product_id, StoredLine(added.product_id, 0))
    if line.quantity == 0 and len(lines) >= MAX_LINES:
        raise BasketFull(f"Your basket has {MAX_LINES} products, and no room for more. Remove one first.")
    if line.quantity + added.quantity > MAX_QUANTITY:
        raise QuantityLimit(
            f"A basket can have {MAX_QUANTITY:,} units of a product, and yours has {line.quantity:,}. Add fewer.",
            field="quantity",
        )
    by_product[added.product_id] = replace(line, quantity=line.quantity + added.quantity)
    return list(by_product.values())


def replace_lines(lines: Sequence[StoredLine], wanted: Sequence[Line], offers: Offers) -> list[StoredLine]:
    """Return the wanted lines, each with what it remembers from before.

    Raises:
        NotFound: a product that was not in the basket is not for sale (`product-not-found`).
    """
    seen = {line.product_id: line.seen for line in lines}
    for index, line in enumerate(wanted):
        if _is_gone(line.product_id, offers) and line.product_id not in seen:
            raise ProductNotFound(field=f"lines[{index}].product_id")
    return [StoredLine(line.product_id, line.quantity, seen.get(line.product_id)) for line in wanted]


def merge_baskets(own: Sequence[StoredLine], guest: Sequence[StoredLine]) -> tuple[list[StoredLine], list[StoredLine]]:
    """Return a buyer's lines with the lines of a guest, and the lines of the guest that find no room.

    Of the same product the larger quantity counts: who puts a product into both baskets means it once.
    """
    merged = {line.product_id: line for line in own}
    waiting: list[StoredLine] = []
    for line in guest:
        before = merged.get(line.product_id)
        if before is not None:
            larger = max(before.quantity, line.quantity)
            merged[line.product_id] = replace(before, quantity=larger, seen=before.seen or line.seen)
        elif len(merged) < MAX_LINES:
            merged[line.product_id] = line
        else:
            waiting.append(line)
    return list(merged.values()), waiting

"""The versions of a product, and whether a change or a decision is about the version that its author has read.

A seller's change must know the current content. It must know the current stock only if it sets the stock, because each
sale changes that: a product that sells could never be edited otherwise. An admin's decision must know the content only.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import AlreadyDecided, Conflict, FieldError, PreconditionFailed, Stale
from nextbuy.contracts.money import format_money
from nextbuy.contracts.product import Decision, Product
from nextbuy.contracts.product_version import ProductVersion

CONTENT: Final = ("title", "description", "category", "price", "tags", "status")
"""The fields whose changes raise the content version, in the order in which a refusal names them."""

_CHANGED: Final = "This product has changed since you read it, so nothing was saved. Read it again first."
_UNKNOWN: Final = "If-Match does not name a version of this product. Read it again, and send its ETag unchanged."
_DECIDED: Final[Mapping[Decision, str]] = {"active": "approved", "pending": "put under review", "rejected": "rejected"}


class Versions(Struct, frozen=True):
    """The current version of a product, and the content version in which each field last changed."""

    current: ProductVersion
    fields: Mapping[str, int]

    def after_change(self, fields: Collection[str]) -> "Versions":
        """Return the versions after a change of some fields of the content; without any, they stay."""
        if not fields:
            return self
        content = self.current.content + 1
        return Versions(ProductVersion(content, self.current.stock), {**self.fields, **dict.fromkeys(fields, content)})

    def changed_since(self, seen: Iterable[ProductVersion]) -> list[str]:
        """Return the fields of the content that have changed since the latest of these versions."""
        current = self.current.content
        latest = max((version.content for version in seen if version.content <= current), default=current)
        return [field for field in CONTENT if self.fields.get(field, 1) > latest]


def require_seen(
    seen: Sequence[ProductVersion] | None, versions: Versions, product: Product, *, sets_stock: bool
) -> None:
    """Check that a seller's change is about the current content, and about the current stock if it sets the stock.

    Args:
        seen: versions; the seller has read one of them. None for a change without a condition.
        versions: the product's versions.
        product: the product as it is.
        sets_stock: whether the change sets the units in stock.

    Raises:
        PreconditionFailed: it has changed since (`stale`); `errors` names the fields.
    """
    if seen is None:
        return
    current = versions.current
    knows_content = any(version.content == current.content for version in seen)
    knows_stock = not sets_stock or any(version.stock == current.stock for version in seen)
    if not knows_content or not knows_stock:
        raise _stale([*versions.changed_since(seen), *(["stock"] if not knows_stock else [])], product)


def require_undecided(
    seen: Sequence[ProductVersion] | None,
    versions: Versions,
    product: Product,
    decision: Decision,
    *,
    decided_by: UUID | None,
    by: UUID,
) -> None:
    """Check that an admin's decision is about the content and the status that the admin has read.

    Without `seen`, only another decision that an admin has made about the same content stands in its way.
    A repeated decision of the same admin passes: its first reply may have been lost.

    Raises:
        PreconditionFailed: the content has changed since (`stale`); `errors` names the fields.
        Conflict: another admin has decided since (`already-decided`).
    """
    is_other = product.status != decision
    if seen is None:
        if is_other and decided_by is not None:
            raise _already_decided(product)
        return
    if any(version.content == versions.current.content for version in seen):
        return
    changed = versions.changed_since(seen)
    if changed != ["status"]:
        raise _stale(changed, product)
    if is_other or decided_by != by:
        raise _already_decided(product)


def _stale(fields: list[str], product: Product) -> PreconditionFailed:
    if not fields:
        return Stale(_UNKNOWN)
    return Stale(_CHANGED, errors=[FieldError(field, _now(field, product)) for field in fields])


def _already_decided(product: Product) -> Conflict:
    return AlreadyDecided(
        f"An admin has already {_DECIDED[product.status]} “{product.title}”. Read it again before you decide otherwise."
    )


def _now(field: str, product: Product) -> str:
    """Return a sentence about what a field has changed to."""
    match field:
        case "title" | "category":
            return f"The {field} is now “{getattr(product, field)}”."
        case "price":
            return f"The price is now {format_money(product.price)}."
        case "stock":
            # A sale of reserved units changes the version of the stock, and not what can be bought.
            return f"Units were sold or reserved since. In stock now: {product.stock}."
        case "status":
            return f"It was {_DECIDED[product.status]}."
        case "tags":
            return f"The tags are now: {', '.join(product.tags) or 'none'}."
        case _:
            return f"The {field} has changed."

"""Product's rules: names in addresses, words to search for, what of a basket can be bought, and who may offer it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.errors import Conflict, Forbidden, NotFound, Unprocessable
from nextbuy.contracts.message import Event
from nextbuy.contracts.product import (
    Line,
    Moderation,
    PricedLine,
    Product,
    ProductPending,
    ProductRejected,
    Reason,
)
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import MAX_LINES, MAX_STOCK, Money

SLUG_WORDS: Final = 60
"""Characters of a slug that may come from the title."""
ADMIN_RULE: Final = "admin-decision"
REFUSED_RULE: Final = "refused-before"
_NO_SLUG: Final = re.compile(r"[^a-z0-9]+")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_OPERATORS: Final = re.compile(r'"|\bor\b|(?:^|\s)-', re.IGNORECASE)
_LAST_WORD: Final = re.compile(r"(.*?)(?<!\S)(\w{2,})", re.DOTALL)


class ProductShown(Struct, frozen=True):
    """One product."""

    product: Product


class Seen(Struct, frozen=True):
    """A product as it stood when it was looked at, before anything was taken."""

    title: str
    stock: int


class Offer(Seen, frozen=True):
    """What a product's owner says of it to a basket, as of now."""

    product_id: UUID
    shop_id: UUID
    price: Money


def slug_of(title: str, suffix: str) -> str:
    """Return a title as a part of an address; `suffix` makes it unlike every other, and not empty."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = _NO_SLUG.sub("-", ascii_only)[:SLUG_WORDS].strip("-")
    return f"{words}-{suffix}" if words else suffix


def picture_path(product_id: UUID) -> str:
    """Return where a product's picture is."""
    return f"/product/api/picture/{product_id}"


def id_of(key: str) -> UUID | None:
    """Return the id that a key is, or None where it is a slug: no slug looks like an id, its suffix is too short."""
    return UUID(key) if _UUID.fullmatch(key) else None


def tidy(text: str) -> str:
    """Return a one-line text in single spaces."""
    return " ".join(text.split())


def tidy_tags(tags: Sequence[str]) -> list[str]:
    """Return tags in single spaces, each once, in the order in which they were given."""
    return list(dict.fromkeys(tidy(tag) for tag in tags))


def search_terms(text: str) -> tuple[str, str]:
    """Return what is searched for as whole words, and the beginning of a word ("" for none).

    The last word may still be being typed, so it is taken for a beginning: "kett" finds kettles. Not where quotes, `or`
    or a minus say that the searcher knows exactly what is meant.
    """
    match = None if _OPERATORS.search(text) else _LAST_WORD.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")


def may_offer(shop: Shop) -> None:
    """Check that a shop may prepare goods; one that waits for approval may, though nobody sees them yet.

    Raises:
        Forbidden: it was rejected or suspended.
    """
    if shop.status in ("rejected", "suspended"):
        raise Forbidden(f"This shop is {shop.status} and may not offer goods.", slug=f"shop-{shop.status}")


def merged(lines: Sequence[Line]) -> list[Line]:
    """Return lines with each product once, quantities added up, in the order in which they first came.

    Raises:
        Unprocessable: there are none or too many, or a quantity is none.
    """
    if not 0 < len(lines) <= MAX_LINES:
        raise Unprocessable(f"A basket has 1 to {MAX_LINES} lines.", slug="bad-lines")
    quantities: dict[UUID, int] = {}
    for line in lines:
        if not 0 < line.quantity <= MAX_STOCK:
            raise Unprocessable(f"A quantity is 1 to {MAX_STOCK}, not {line.quantity}.", slug="bad-quantity")
        quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
    return [Line(product_id, quantity) for product_id, quantity in quantities.items()]


def priced(lines: Sequence[Line], offers: Mapping[UUID, Offer]) -> list[PricedLine]:
    """Return merged lines in the words of their offers.

    Raises:
        NotFound: a product is not for sale (`no-such-product`).
        Conflict: there is not enough of one (`sold-out`).
    """
    enough(lines, offers)
    return [
        PricedLine(line.product_id, offer.shop_id, offer.title, line.quantity, offer.price)
        for line in lines
        for offer in (offers[line.product_id],)
    ]


def enough(lines: Sequence[Line], seen: Mapping[UUID, Seen]) -> None:
    """Check that there was enough of everything.

    Raises:
        NotFound: a product is not for sale (any more).
        Conflict: there was not enough of one (`sold-out`).
    """
    for line in lines:
        if line.product_id not in seen:
            raise no_such_product(line.product_id)
    for line in lines:
        stood = seen[line.product_id]
        if stood.stock < line.quantity:
            raise sold_out(stood.title, stood.stock)


def sold_out(title: str, left: int) -> Conflict:
    """Return the refusal to sell more of something than there is."""
    return Conflict(f"“{title}” is sold out." if left == 0 else f"Only {left} left of “{title}”.", slug="sold-out")


def no_such_product(key: object) -> NotFound:
    """Return what is said of a product that is not there, or not for whoever asks."""
    return NotFound(f"There is no product {key} for sale.", slug="no-such-product")


def after_refusal(verdict: Moderation, why: str) -> Moderation:
    """Return a verdict on a product that an admin has refused: what an admin refused, words alone cannot bring back."""
    if verdict.decision != "active":
        return verdict
    return replace(verdict, decision="pending", reasons=[*verdict.reasons, Reason(REFUSED_RULE, 0, "product", why)])


def decided(moderation: Moderation, why: str) -> Moderation:
    """Return a product's moderation with an admin's reason ("" for none) in place of an earlier one."""
    reasons = [reason for reason in moderation.reasons if reason.rule not in (ADMIN_RULE, REFUSED_RULE)]
    if why:
        reasons.append(Reason(ADMIN_RULE, 0, "product", why))
    return replace(moderation, reasons=reasons)


def told_by_admin(moderation: Moderation) -> str:
    """Return why an admin refused a product, or ""."""
    return next((r.excerpt for r in moderation.reasons if r.rule in (ADMIN_RULE, REFUSED_RULE)), "")


def verdict_events(product: Product, seller_id: UUID) -> list[Event]:
    """Return what is told of automatic moderation's verdict on a product: nothing where it let it through."""
    moderation = product.moderation
    if product.status == "pending":
        return [
            ProductPending(
                product_id=product.id,
                shop_id=product.shop_id,
                seller_id=seller_id,
                title=product.title,
                status="pending",
                score=moderation.score,
                rules=[reason.rule for reason in moderation.reasons],
            )
        ]
    if product.status == "rejected":
        return [
            ProductRejected(
                product_id=product.id,
                shop_id=product.shop_id,
                seller_id=seller_id,
                title=product.title,
                status="rejected",
                reason="; ".join(f"{r.rule} in {r.field}: {r.excerpt}" for r in moderation.reasons if r.points < 0),
                by=None,
            )
        ]
    return []

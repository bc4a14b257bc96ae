"""The rules of shops: their slugs, and the decisions that may follow each status."""

import re
import unicodedata
from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import Conflict, Forbidden, NotFound
from nextbuy.contracts.seller import SellerDecision
from nextbuy.contracts.values import ShopStatus

_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")

ALLOWED_DECISIONS: Final[dict[ShopStatus, frozenset[SellerDecision]]] = {
    "pending": frozenset({"approved", "rejected"}),
    "approved": frozenset({"suspended"}),
    "rejected": frozenset({"approved"}),
    "suspended": frozenset({"approved"}),
}


class ShopNameTaken(Conflict):
    """Another shop has this name."""

    slug = "shop-name-taken"


class ShopExists(Conflict):
    """The seller already has a shop."""

    slug = "shop-exists"


class ShopRequired(Forbidden):
    """The seller has no shop yet."""

    slug = "shop-required"


class ShopNotFound(NotFound):
    """The shop does not exist."""

    slug = "shop-not-found"


class SellerNotFound(NotFound):
    """The seller does not exist."""

    slug = "seller-not-found"


class DecisionNotAllowed(Conflict):
    """The decision cannot follow the seller's status."""

    slug = "decision-not-allowed"


def slug_of(name: str, shop_id: UUID) -> str:
    """Return a shop's slug: its name in ASCII, and the end of its id to make it unique."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = _NOT_IN_SLUG.sub("-", plain).strip("-")[:60].strip("-") or "shop"
    return f"{words}-{shop_id.hex[-6:]}"


def check_decision(status: ShopStatus, decision: SellerDecision) -> None:
    """Check that a decision may follow a status.

    Raises:
        DecisionNotAllowed: it may not.
    """
    allowed = ALLOWED_DECISIONS[status]
    if decision not in allowed:
        message = f"A {status} seller cannot be {decision}, only {' or '.join(sorted(allowed))}."
        raise DecisionNotAllowed(message)

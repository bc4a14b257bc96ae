"""The rules of shops: what a shop's address is made of, and which decision may follow which state."""

import re
import unicodedata
from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import Conflict, Forbidden, NotFound
from nextbuy.contracts.seller import SellerDecision
from nextbuy.contracts.values import ShopStatus

_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")

MAY_BECOME: Final[dict[ShopStatus, frozenset[SellerDecision]]] = {
    "pending": frozenset({"approved", "rejected"}),
    "approved": frozenset({"suspended"}),
    "rejected": frozenset({"approved"}),
    "suspended": frozenset({"approved"}),
}


class ShopTaken(Conflict):
    """Another shop has that name."""

    slug = "shop-name-taken"


class OneShopOnly(Conflict):
    """A seller has one shop."""

    slug = "shop-exists"


class NoShop(Forbidden):
    """The seller has not made a shop yet."""

    slug = "no-shop"


class NoSuchShop(NotFound):
    """There is no such shop."""

    slug = "no-such-shop"


class NoSuchSeller(NotFound):
    """There is no such seller."""

    slug = "no-such-seller"


class DecisionRefused(Conflict):
    """This decision cannot follow the state the seller is in."""

    slug = "decision-refused"


def slug_of(name: str, shop_id: UUID) -> str:
    """Return a shop's address: its name in plain letters, and the end of its id, so that no two are the same."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = _NOT_IN_SLUG.sub("-", plain).strip("-")[:60].strip("-") or "shop"
    return f"{words}-{shop_id.hex[-6:]}"


def check_decision(status: ShopStatus, decision: SellerDecision) -> None:
    """Raise `DecisionRefused` where `decision` cannot follow `status`."""
    if decision not in MAY_BECOME[status]:
        message = (
            f"A seller who is {status} cannot become {decision}; possible: {', '.join(sorted(MAY_BECOME[status]))}."
        )
        raise DecisionRefused(message)

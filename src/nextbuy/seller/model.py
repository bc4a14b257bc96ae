"""The rules of shops: their slugs, the decisions that may follow each status, and the events of statuses."""

from collections.abc import Collection
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta

from nextbuy.contracts.errors import AlreadyDecided, Conflict, Forbidden, NotFound, Stale, Unprocessable
from nextbuy.contracts.message import Event
from nextbuy.contracts.seller import Seller, SellerApproved, SellerDecision, SellerRejected, SellerSuspended, Shop
from nextbuy.contracts.text import slug_words
from nextbuy.contracts.values import ShopStatus, Timestamp

_MAX_SLUG_NAME: Final = 60
"""Characters of the name that a slug may contain."""

ALLOWED_DECISIONS: Final[dict[ShopStatus, frozenset[SellerDecision]]] = {
    "pending": frozenset({"approved", "rejected"}),
    "approved": frozenset({"suspended"}),
    "rejected": frozenset({"approved"}),
    "suspended": frozenset({"approved"}),
}


ShopNameTaken: Final = Conflict.of("shop-name-taken", "Another shop has this name. Choose a different one.")
ShopExists: Final = Conflict.of("shop-exists", "You already have a shop. Use it; each seller can have only one.")
ShopNotChangeable: Final = Conflict.of(
    "shop-not-changeable",
    "Your shop is rejected or suspended, so it cannot be changed. Read why in your notifications.",
)
ShopRequired: Final = Forbidden.of("shop-required", "You do not have a shop yet. Create one first.")
ShopNotFound: Final = NotFound.of("shop-not-found", "Shop not found.")
InvalidShopIds: Final = Unprocessable.of("invalid-shop-ids", "Invalid ids. Send shop ids, separated by commas.")
SellerNotFound: Final = NotFound.of("seller-not-found", "Seller not found.")
DecisionNotAllowed: Final = Conflict.of(
    "decision-not-allowed", "The seller's status does not allow this decision. Choose another."
)


class PublicShop(Shop, frozen=True, kw_only=True):
    """A shop as anyone sees it, with the time at which it was opened."""

    created_at: Annotated[Timestamp, Meta(description="When the shop was opened.")]


def slug_of(name: str, shop_id: UUID) -> str:
    """Return a shop's slug: its name in ASCII, and the end of its id to make it unique."""
    return f"{slug_words(name, _MAX_SLUG_NAME) or 'shop'}-{shop_id.hex[-6:]}"


def check_decision(status: ShopStatus, decision: SellerDecision) -> None:
    """Raise DecisionNotAllowed unless a shop's status allows the decision."""
    allowed = ALLOWED_DECISIONS[status]
    if decision not in allowed:
        raise DecisionNotAllowed(
            f"This seller is {status}, and cannot be {decision}, only {' or '.join(sorted(allowed))}."
        )


def require_seen(seen: Collection[int] | None, shop: Shop) -> None:
    """Check that an admin has read the current version of a shop; `seen` is None for a decision without a condition.

    Raises:
        Stale: the shop waits for a decision, and has changed since.
        AlreadyDecided: an admin has decided since.
    """
    if seen is None or shop.version in seen:
        return
    if shop.status == "pending":
        raise Stale(f"“{shop.name}” has changed since you read it. Read it again before you decide.")
    raise AlreadyDecided(f"“{shop.name}” is {shop.status} already. Read it again before you decide otherwise.")


def status_event(seller: Seller, reason: str) -> Event:
    """Return the event that publishes the status of a shop that was decided: approved, rejected or suspended."""
    shop = seller.shop
    fields: dict[str, Any] = {
        "shop_id": shop.id,
        "user_id": seller.user_id,
        "shop_name": shop.name,
        "status": shop.status,
        "shop_version": shop.version,
        "shop_slug": shop.slug,
    }
    if shop.status == "approved":
        return SellerApproved(**fields)
    return (SellerRejected if shop.status == "rejected" else SellerSuspended)(**fields, reason=reason)

"""What others may ask of seller, and what it tells."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.values import BatchLimit, Page, ShopStatus


class Shop(Struct, frozen=True):
    """A shop as anyone may see it; `status` is that of its seller, and only an approved shop sells."""

    id: UUID
    name: str
    slug: str
    bio: str
    category: str
    status: ShopStatus
    seller_id: UUID
    version: int
    """Grows with every change, so that a later word about a shop is known from an earlier one."""


class Shops(Struct, frozen=True):
    """Shops, in no order; one that does not exist is left out."""

    shops: list[Shop]


class Seller(Struct, frozen=True):
    """A seller as an admin sees one."""

    user_id: UUID
    name: str
    email: str
    shop: Shop
    submitted_at: datetime


SellerDecision = Literal["approved", "rejected", "suspended"]


class ValidateShopOwner(Call[Shop], to="seller", callers=("product",), idempotent=True):
    """Which shop is this seller's?"""

    seller_id: UUID


class GetShops(Call[Shops], to="seller", callers=("order",), idempotent=True):
    """What of these shops (at most 100)?"""

    shop_ids: list[UUID]


class ListSellers(Call[Page[Seller]], to="seller", callers=("admin",), idempotent=True):
    """Which sellers are in this state, oldest first?"""

    status: ShopStatus
    limit: int
    cursor: str | None = None


class DecideSeller(Call[Seller], to="seller", callers=("admin",), idempotent=True):
    """Approve, reject or suspend a seller; the same decision again changes nothing."""

    user_id: UUID
    decision: SellerDecision
    reason: str
    by: UUID


class ReadSellerEvents(Call[EventsRead], to="seller", callers=("kafka",), idempotent=True):
    """What has seller published behind a position of its log (at most 1,000 events, of these topics)?"""

    after: int
    limit: BatchLimit
    topics: list[str] | None = None


class _SellerEvent(Event):
    """What every event about a seller says."""

    shop_id: UUID
    """The shop."""
    user_id: UUID
    """The account of its seller."""
    shop_name: str
    """What the shop is called."""
    status: ShopStatus
    """What the shop is from here on; only an approved one sells."""
    shop_version: int
    """Grows with every change of the shop, so that a later word is known from an earlier one."""


class SellerRegistered(_SellerEvent, topic="seller.registered", key="shop_id"):
    """A seller has made a shop, and waits for approval."""


class SellerApproved(_SellerEvent, topic="seller.approved", key="shop_id"):
    """The seller may sell."""


class SellerRejected(_SellerEvent, topic="seller.rejected", key="shop_id"):
    """The seller may not sell, for this reason."""

    reason: str
    """Why, in the admin's words."""


class SellerSuspended(_SellerEvent, topic="seller.suspended", key="shop_id"):
    """The seller may not sell any more, for this reason."""

    reason: str
    """Why, in the admin's words."""


class SellerClient(Client):
    """Speaks to seller."""

    service: ClassVar[str] = "seller"

    async def validate_shop_owner(self, seller_id: UUID) -> Shop:
        """Return the seller's shop; `Forbidden` (`no-shop`) where there is none yet."""
        return await self._send(ValidateShopOwner(seller_id=seller_id))

    async def get_shops(self, shop_ids: list[UUID]) -> list[Shop]:
        """Return those of these shops that exist."""
        return (await self._send(GetShops(shop_ids=shop_ids))).shops

    async def list_sellers(self, status: ShopStatus, *, limit: int, cursor: str | None = None) -> Page[Seller]:
        """Return sellers in a state, oldest first."""
        return await self._send(ListSellers(status=status, limit=limit, cursor=cursor))

    async def decide_seller(self, user_id: UUID, decision: SellerDecision, *, reason: str, by: UUID) -> Seller:
        """Approve, reject or suspend; `NotFound` where there is no such seller."""
        return await self._send(DecideSeller(user_id=user_id, decision=decision, reason=reason, by=by))

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of seller's event log."""
        return await self._send(ReadSellerEvents(after=after, limit=limit, topics=topics))

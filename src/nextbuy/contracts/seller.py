"""The calls that seller answers, and the events that it publishes."""

import re
from collections.abc import Iterable
from functools import partial
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.checks import (
    require_distinct,
    require_each,
    require_equal,
    require_events,
    require_in_order,
    require_page,
)
from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.values import (
    BatchLimit,
    CategoryName,
    Count,
    Cursor,
    Email,
    Limit,
    LogPosition,
    Page,
    PersonName,
    ReasonText,
    SellerId,
    ShopId,
    ShopName,
    ShopSlug,
    ShopStatus,
    Slug,
    Tagged,
    Timestamp,
    Topics,
)

MAX_SHOPS: Final = 100
"""Shops per call."""
ShopIds = Annotated[list[UUID], Meta(max_length=MAX_SHOPS)]
ShopContact = Annotated[
    str,
    Meta(
        max_length=300,
        description="How buyers reach the shop; empty if it says nothing.",
        examples=["hello@winterlamps.example"],
    ),
]
ShopVersion = Annotated[Count, Meta(description="Grows with every change of the shop; an older version is ignored.")]


_ETAG: Final = re.compile(r'"([0-9]{1,15})"')


class Shop(Struct, frozen=True):
    """A shop as the public sees it; `status` is that of its seller, and only an approved shop sells."""

    id: UUID
    name: Annotated[ShopName, Meta(min_length=1)]
    slug: Annotated[Slug, Meta(examples=["winter-lamps"])]
    bio: Annotated[str, Meta(max_length=2_000)]
    category: CategoryName
    status: ShopStatus
    seller_id: UUID
    version: ShopVersion
    contact: ShopContact = ""


class Shops(Struct, frozen=True):
    """The requested shops, in any order, and the ids of those that do not exist."""

    shops: Annotated[list[Shop], Meta(max_length=MAX_SHOPS)]
    missing: ShopIds = []


class Seller(Tagged, frozen=True):
    """A seller with their shop, as admins see them; the ETag is the shop's version in quotes."""

    user_id: UUID
    name: Annotated[PersonName, Meta(min_length=1)]
    email: Email
    shop: Shop
    submitted_at: Timestamp
    account_suspended: Annotated[
        bool, Meta(description="Whether the account is suspended, which closes the shop even if it is approved.")
    ] = False

    @property
    def etag(self) -> str:
        """The version of the shop."""
        return f'"{self.shop.version}"'


SellerDecision = Literal["approved", "rejected", "suspended"]


class ValidateShopOwner(Call[Shop], to="seller", name="validate-shop-owner", callers=("product",), idempotent=True):
    """Get the shop of a seller, in any status."""

    seller_id: UUID


class GetShops(Call[Shops], to="seller", name="get-shops", callers=("order", "product"), idempotent=True):
    """Get several shops, at most 100."""

    shop_ids: ShopIds


class ListSellers(Call[Page[Seller]], to="seller", name="list-sellers", callers=("admin",), idempotent=True):
    """List the sellers in a status, oldest first."""

    status: ShopStatus
    limit: Limit
    cursor: Cursor | None = None


def shop_versions_of(etags: Iterable[str] | None) -> list[int] | None:
    """Return the versions that entity tags name, without tags of another form; None stays None."""
    if etags is None:
        return None
    return [int(found[1]) for etag in etags if (found := _ETAG.fullmatch(etag))]


class DecideSeller(Call[Seller], to="seller", name="decide-seller", callers=("admin",), idempotent=True):
    """Approve, reject or suspend a seller. Repeating a decision changes nothing.

    With `seen`, the admin has read one of these versions of the shop. Without it, the decision is about the stored
    version.
    """

    user_id: UUID
    decision: SellerDecision
    reason: ReasonText
    by: UUID
    seen: Annotated[list[ShopVersion], Meta(max_length=20)] | None = None


class AccountStatusApplied(Struct, frozen=True):
    """The shop of the account, if it has one."""

    shop: Shop | None


class ApplyAccountStatus(
    Call[AccountStatusApplied], to="seller", name="apply-account-status", callers=("admin",), idempotent=True
):
    """Apply the status of an account to its shop at once; `position` is that of the status in auth's event log."""

    account_id: UUID
    status: Literal["active", "suspended"]
    reason: ReasonText
    position: LogPosition


class ReadSellerEvents(
    Call[EventsRead], to="seller", name="read-seller-events", callers=("analytics",), idempotent=True
):
    """Read up to 1,000 events of seller's event log after a position, of all topics or those named."""

    after: LogPosition
    limit: BatchLimit
    topics: Topics | None = None


class _SellerEvent(Event, kw_only=True):
    """The fields that every event about a seller has."""

    shop_id: ShopId
    user_id: SellerId
    shop_name: ShopName
    status: Annotated[ShopStatus, Meta(description="The shop's new status; only an approved shop sells.")]
    shop_version: ShopVersion
    shop_slug: ShopSlug = ""
    """Empty in events of schema version 1."""


class SellerRegistered(_SellerEvent, topic="seller.registered", key="shop_id", schema_version=2):
    """A seller has opened a shop, or has applied again after a rejection; the shop waits for approval."""


class SellerUpdated(_SellerEvent, topic="seller.updated", key="shop_id"):
    """A seller has changed the name, the description, the category or the contact of a shop."""


class SellerApproved(_SellerEvent, topic="seller.approved", key="shop_id", schema_version=2):
    """An admin has approved a seller."""


class SellerRejected(_SellerEvent, topic="seller.rejected", key="shop_id", schema_version=2):
    """An admin has rejected a seller."""

    reason: Annotated[ReasonText, Meta(description="The reason, in the admin's words.")]


class SellerSuspended(_SellerEvent, topic="seller.suspended", key="shop_id", schema_version=2):
    """An admin has suspended a seller."""

    reason: Annotated[ReasonText, Meta(description="The reason, in the admin's words.")]


SHOP_EVENTS: Final[tuple[type[Event], ...]] = (
    SellerRegistered,
    SellerUpdated,
    SellerApproved,
    SellerRejected,
    SellerSuspended,
)
"""The events that report the state of a shop."""


def _check_seller(path: str, seller: Seller, user_id: UUID, status: ShopStatus) -> None:
    if seller.account_suspended and status == "approved":
        status = "suspended"
    require_equal(f"{path}user_id", seller.user_id, user_id)
    require_equal(f"{path}shop.seller_id", seller.shop.seller_id, user_id)
    require_equal(f"{path}shop.status", seller.shop.status, status)


class SellerClient(Client):
    """A client of seller."""

    service: ClassVar[str] = "seller"

    async def validate_shop_owner(self, seller_id: UUID) -> Shop:
        """Return a seller's shop.

        Raises:
            Forbidden: the seller has no shop yet (`shop-required`).
        """

        def check(shop: Shop) -> None:
            require_equal("seller_id", shop.seller_id, seller_id)

        return await self._send(ValidateShopOwner(seller_id=seller_id), check)

    async def get_shops(self, shop_ids: list[UUID]) -> list[Shop]:
        """Return the shops that exist, of up to 100 ids."""

        def check(reply: Shops) -> None:
            require_each("shops[{}].id", [shop.id for shop in reply.shops], reply.missing, shop_ids)

        return (await self._send(GetShops(shop_ids=shop_ids), check)).shops

    async def list_sellers(self, status: ShopStatus, *, limit: int, cursor: str | None = None) -> Page[Seller]:
        """List the sellers in a status, oldest first."""

        def check(page: Page[Seller]) -> None:
            require_page(page, limit=limit, cursor=cursor)
            require_distinct("items[{}].user_id", (seller.user_id for seller in page.items))
            require_in_order("items[{}].submitted_at", (seller.submitted_at for seller in page.items))
            for index, seller in enumerate(page.items):
                _check_seller(f"items[{index}].", seller, seller.user_id, status)

        return await self._send(ListSellers(status=status, limit=limit, cursor=cursor), check)

    async def decide_seller(
        self, user_id: UUID, decision: SellerDecision, *, reason: str, by: UUID, seen: list[int] | None = None
    ) -> Seller:
        """Approve, reject or suspend a seller, if the shop has a version in `seen`.

        Raises:
            NotFound: the seller does not exist (`seller-not-found`).
            Conflict: the decision cannot follow the status (`decision-not-allowed`), or another admin has decided
                otherwise (`already-decided`).
            PreconditionFailed: the shop has changed since (`stale`).
        """

        def check(seller: Seller) -> None:
            _check_seller("", seller, user_id, decision)

        return await self._send(
            DecideSeller(user_id=user_id, decision=decision, reason=reason, by=by, seen=seen), check
        )

    async def apply_account_status(
        self, account_id: UUID, status: Literal["active", "suspended"], *, reason: str, position: int
    ) -> Shop | None:
        """Apply the status of an account to its shop, and return the shop, if the account has one."""

        def check(reply: AccountStatusApplied) -> None:
            if reply.shop is not None:
                require_equal("shop.seller_id", reply.shop.seller_id, account_id)

        return (
            await self._send(
                ApplyAccountStatus(account_id=account_id, status=status, reason=reason, position=position), check
            )
        ).shop

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of seller's event log, in order."""
        check = partial(require_events, service=self.service, after=after, limit=limit, topics=topics)
        return await self._send(ReadSellerEvents(after=after, limit=limit, topics=topics), check)

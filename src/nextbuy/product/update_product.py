"""PUT /product/api/update-product/{product_id}: change a product, and moderate it again if its text or price changed.

`stock` sets the units that can still be bought, and `stock_change` adds to them. Held units are not affected; the reply
has their number, because they come back to the stock if they are not paid. `on_sale` takes the product off sale and
puts it back; admins review a product off sale once it is back. Omitted fields keep their values, and a request that
changes nothing writes and publishes nothing. With If-Match, no change that the seller has not read is overwritten
(`versions.py`).
"""

from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from nextbuy.contracts.product import Moderation, Product
from nextbuy.contracts.product_version import versions_of
from nextbuy.contracts.values import MAX_STOCK, Category, LongText, Price, Stock, Tag, Title
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.product import moderation
from nextbuy.product.deps import Deps
from nextbuy.product.model import (
    ProductReply,
    RestoreFirst,
    StockTwice,
    admin_reason,
    changed_stock,
    moderation_events,
    require_admin_review,
    require_listing_allowed,
    shop_state,
    tidy,
    tidy_tags,
    updated_event,
)
from nextbuy.product.own_products import lock_own
from nextbuy.product.store.products import LockedProduct, update
from nextbuy.product.store.shops import upsert_shops
from nextbuy.product.versions import CONTENT, require_seen

_FIELDS: Final = ("title", "description", "category", "price", "stock", "tags", "on_sale")
_UNREVIEWED: Final = frozenset({"stock", "on_sale"})
StockChange = Annotated[
    int, Meta(ge=-MAX_STOCK, le=MAX_STOCK, description="Units to add to the stock, or to take from it.", examples=[-3])
]


class UpdateProduct(Struct, frozen=True, kw_only=True):
    """The fields of a product that change."""

    product_id: UUID
    title: Title | UnsetType = UNSET
    description: LongText | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    stock: Stock | UnsetType = UNSET
    stock_change: StockChange | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(max_length=20)] | UnsetType = UNSET
    on_sale: Annotated[bool, Meta(description="False takes the product off sale, true puts it back.")] | UnsetType = (
        UNSET
    )


class ProductChanged(ProductReply, frozen=True):
    """The changed product, and the units of it that unpaid checkouts hold."""

    held: Annotated[
        int, Meta(ge=0, description="Units in unpaid checkouts; those that are not paid come back to stock.")
    ]


async def update_product(deps: Deps, caller: Caller, request: UpdateProduct) -> ProductChanged:
    """Change one of the caller's own products, if it is still the version that If-Match names.

    Raises:
        BadRequest: If-Match is invalid.
        Unprocessable: the request both sets and changes the stock (`stock-twice`).
        NotFound: the product does not exist, or belongs to another seller.
        Forbidden: the shop was rejected or suspended.
        PreconditionFailed: the product has changed since (`stale`).
        Conflict: `stock_change` takes more than there is, or adds too much (`stock-out-of-range`); or an archived
            product is put on sale (`restore-first`).
    """
    seen = versions_of(caller.if_match())
    if request.stock is not UNSET and request.stock_change is not UNSET:
        raise StockTwice(field="stock_change")
    account = await deps.auth.validate_seller(caller)
    shop = await deps.seller.validate_shop_owner(account.id)
    require_listing_allowed(shop)

    async with deps.database.transaction() as tx:
        await upsert_shops(tx, [shop_state(shop)])
        before = await lock_own(tx, request.product_id, account.id)
        if request.on_sale is True and before.product.archived:
            raise RestoreFirst(field="on_sale")
        require_seen(seen, before.versions, before.product, sets_stock=request.stock is not UNSET)
        after = replace(before.product, **_requested_fields(request))
        if request.stock_change is not UNSET:
            after = replace(after, stock=changed_stock(before.product, request.stock_change))
        changed = [name for name in _FIELDS if getattr(after, name) != getattr(before.product, name)]
        if changed:
            verdict = None if _UNREVIEWED.issuperset(changed) else _review(before, after)
            if verdict is not None:
                deps.journal.step("product", "auto-moderation", verdict.decision)
                after = replace(after, status=verdict.decision, moderation=verdict)
            after = await update(tx, after, before.versions.after_change(_content_changes(before.product, after)))
            is_news = "on_sale" in changed or (after.moderation, after.status) != (
                before.product.moderation,
                before.product.status,
            )
            events = moderation_events(after, account.id) if is_news and after.on_sale else []
            await publish(tx, updated_event(after, account.id, changed), *events)
        reply = ProductChanged(after, before.held)
        await caller.store_response(tx, reply)
    deps.cache.invalidate([after.id])
    deps.cache.invalidate_pages()
    return reply


def _requested_fields(request: UpdateProduct) -> dict[str, Any]:
    fields = {name: value for name in _FIELDS if (value := getattr(request, name)) is not UNSET}
    for name, converted in (("title", tidy), ("category", tidy), ("tags", tidy_tags)):
        if name in fields:
            fields[name] = converted(fields[name])
    return fields


def _content_changes(before: Product, after: Product) -> list[str]:
    return [name for name in CONTENT if getattr(after, name) != getattr(before, name)]


def _review(before: LockedProduct, after: Product) -> Moderation | None:
    # Against the last accepted price, so that many small increases are noticed.
    verdict = moderation.review_update(
        _listing(before.product, before.accepted_amount), _listing(after, after.price.amount)
    )
    if verdict is None or before.rejected_by is None:
        return verdict
    return require_admin_review(verdict, admin_reason(before.product.moderation))


def _listing(product: Product, price_amount: int) -> moderation.Listing:
    return moderation.Listing(product.title, product.description, product.category, tuple(product.tags), price_amount)

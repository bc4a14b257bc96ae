"""PUT /product/api/update-product/{product_id}: a seller changes what is offered; moderated again where it matters.

`stock` sets what can be bought from now on; what sessions hold is not touched. Fields that are left out stay as they
are, and where nothing is different nothing is written or told.
"""

from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from nextbuy.contracts.product import Moderation, Product, ProductUpdated
from nextbuy.contracts.values import Category, LongText, Price, Stock, Tag, Title
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.product import moderation
from nextbuy.product.deps import Deps
from nextbuy.product.model import (
    ProductShown,
    after_refusal,
    may_offer,
    no_such_product,
    tidy,
    tidy_tags,
    told_by_admin,
    verdict_events,
)
from nextbuy.product.store.products import Locked, lock, update
from nextbuy.product.store.shops import ShopWord, keep_shop

_FIELDS: Final = ("title", "description", "category", "price", "stock", "tags")


class UpdateProduct(Struct, frozen=True, kw_only=True):
    """What is to be different."""

    product_id: UUID
    title: Title | UnsetType = UNSET
    description: LongText | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    stock: Stock | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(max_length=20)] | UnsetType = UNSET


async def update_product(deps: Deps, caller: Caller, request: UpdateProduct) -> ProductShown:
    """Change a product of one's own."""
    account = await deps.auth.validate_seller(caller.token)
    shop = await deps.seller.validate_shop_owner(account.id)
    may_offer(shop)
    async with deps.database.transaction() as tx:
        await keep_shop(tx, ShopWord(shop.id, shop.seller_id, shop.name, shop.status, shop.version))
        before = await lock(tx, request.product_id)
        if before is None or before.seller_id != account.id:
            raise no_such_product(request.product_id)
        after = replace(before.product, **_asked(request))
        fields = [name for name in _FIELDS if getattr(after, name) != getattr(before.product, name)]
        if fields:
            verdict = _reviewed(before, after) if fields != ["stock"] else None
            if verdict is not None:
                deps.journal.step("product", "auto-moderation", verdict.decision)
                after = replace(after, status=verdict.decision, moderation=verdict)
            await update(tx, after)
            again = verdict is not None and (verdict, after.status) != (
                before.product.moderation,
                before.product.status,
            )
            await publish(
                tx, _updated(after, account.id, fields), *(verdict_events(after, account.id) if again else [])
            )
        shown = ProductShown(after)
        await caller.store_response(tx, shown)
    deps.shelf.drop([after.id])
    deps.shelf.drop_pages()
    return shown


def _asked(request: UpdateProduct) -> dict[str, Any]:
    given = {name: value for name in _FIELDS if (value := getattr(request, name)) is not UNSET}
    for name, tidied in (("title", tidy), ("category", tidy), ("tags", tidy_tags), ("price", Price.money)):
        if name in given:
            given[name] = tidied(given[name])
    return given


def _reviewed(before: Locked, after: Product) -> Moderation | None:
    # Against the price that was accepted last, so that many small steps are seen as what they add up to.
    verdict = moderation.review_update(
        _listing(before.product, before.judged_amount), _listing(after, after.price.amount)
    )
    if verdict is None or before.refused_by is None:
        return verdict
    return after_refusal(verdict, told_by_admin(before.product.moderation))


def _listing(product: Product, price_amount: int) -> moderation.Listing:
    return moderation.Listing(product.title, product.description, product.category, tuple(product.tags), price_amount)


def _updated(after: Product, seller_id: UUID, fields: list[str]) -> ProductUpdated:
    return ProductUpdated(
        product_id=after.id,
        shop_id=after.shop_id,
        seller_id=seller_id,
        title=after.title,
        status=after.status,
        fields=fields,
    )

"""POST /seller/api/create-shop: create a shop, which then waits for approval by an admin.

The shop of a rejected seller gets the new name, description and category, and waits again.
"""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.seller import SellerRegistered, Shop
from nextbuy.contracts.values import LINES, NOT_BLANK, Category, new_id
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.storage.database import Transaction, refuse_duplicate
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import ShopExists, ShopNameTaken, slug_of


class CreateShop(Struct, frozen=True):
    """The name, description and category of a new shop."""

    name: Annotated[str, Meta(min_length=2, max_length=100, examples=["Winter Lamps"]), NOT_BLANK]
    bio: Annotated[str, Meta(max_length=2_000), LINES]
    category: Category


class ShopCreated(Struct, frozen=True):
    """The new shop."""

    shop: Shop


async def create_shop(deps: Deps, caller: Caller, request: CreateShop) -> ShopCreated:
    """Create a shop, which can sell once an admin has approved it; a rejected seller applies again.

    Raises:
        ShopExists: the seller already has a shop that is not rejected.
        ShopNameTaken: another shop has this name.
    """
    account = await deps.auth.validate_seller(caller)
    shop_id = new_id()
    shop = Shop(
        id=shop_id,
        name=request.name,
        slug=slug_of(request.name, shop_id),
        bio=request.bio,
        category=request.category,
        status="pending",
        seller_id=account.id,
        version=1,
    )
    async with deps.database.transaction() as tx:
        conflict = await store.insert_shop(tx, shop, seller_name=account.name, seller_email=account.email)
        if conflict == "name":
            raise ShopNameTaken
        if conflict == "seller":
            shop = await _apply_again(tx, shop)
        await publish(
            tx,
            SellerRegistered(
                shop_id=shop.id,
                user_id=account.id,
                shop_name=shop.name,
                status="pending",
                shop_version=shop.version,
                shop_slug=shop.slug,
            ),
        )
        reply = ShopCreated(shop)
        await caller.store_response(tx, reply)
    return reply


async def _apply_again(tx: Transaction, shop: Shop) -> Shop:
    with refuse_duplicate(ShopNameTaken()):
        pending = await store.apply_again(tx, shop)
    if pending is None:
        raise ShopExists
    return pending

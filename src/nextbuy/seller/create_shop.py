"""POST /seller/api/create-shop: a seller opens a shop, which then waits for an admin's approval.

One shop a seller. The row and `seller.registered` are written together.
"""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.seller import SellerRegistered, Shop
from nextbuy.contracts.values import Category, new_id
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import OneShopOnly, ShopTaken, slug_of


class CreateShop(Struct, frozen=True):
    """What a shop is to be called, and what it is about."""

    name: Annotated[str, Meta(min_length=2, max_length=100, pattern=r"\S")]
    bio: Annotated[str, Meta(max_length=2_000)]
    category: Category


class ShopCreated(Struct, frozen=True):
    """The shop, as it is now."""

    shop: Shop


async def create_shop(deps: Deps, caller: Caller, request: CreateShop) -> ShopCreated:
    """Open a shop; it waits for approval.

    Raises:
        OneShopOnly: the seller has one already.
        ShopTaken: another shop has that name.
    """
    account = await deps.auth.validate_seller(caller.token)
    shop_id, name = new_id(), request.name.strip()
    shop = Shop(
        shop_id, name, slug_of(name, shop_id), request.bio.strip(), request.category.strip(), "pending", account.id, 1
    )
    reply = ShopCreated(shop)
    async with deps.database.transaction() as tx:
        obstacle = await store.insert_shop(tx, shop, seller_name=account.name, seller_email=account.email)
        if obstacle == "seller":
            raise OneShopOnly("You have a shop already; a seller has one.")
        if obstacle == "name":
            raise ShopTaken("Another shop has this name; choose another.")
        await publish(
            tx,
            SellerRegistered(
                shop_id=shop.id, user_id=account.id, shop_name=shop.name, status="pending", shop_version=1
            ),
        )
        await caller.store_response(tx, reply)
    return reply

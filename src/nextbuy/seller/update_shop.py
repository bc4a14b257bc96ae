"""PUT /seller/api/update-shop: change the name, the description, the category and the contact of the caller's shop.

The slug stays as it is, so that links to the shop keep working. A rejected seller applies again (`create_shop`).
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from nextbuy.contracts.seller import SellerUpdated, Shop, ShopContact
from nextbuy.contracts.values import LINES, NOT_BLANK, Category
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.storage.database import refuse_duplicate
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import ShopNameTaken, ShopNotChangeable, ShopRequired


class UpdateShop(Struct, frozen=True, kw_only=True):
    """The fields of a shop that change."""

    name: Annotated[str, Meta(min_length=2, max_length=100, examples=["Winter Lamps"]), NOT_BLANK] | UnsetType = UNSET
    bio: Annotated[str, Meta(max_length=2_000), LINES] | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    contact: Annotated[ShopContact, LINES] | UnsetType = UNSET


class ShopUpdated(Struct, frozen=True):
    """The changed shop."""

    shop: Shop


async def update_shop(deps: Deps, caller: Caller, request: UpdateShop) -> ShopUpdated:
    """Change the caller's own shop; a request that changes nothing publishes nothing.

    Raises:
        ShopRequired: the caller has no shop.
        ShopNotChangeable: the shop is rejected or suspended.
        ShopNameTaken: another shop has this name.
    """
    account = await deps.auth.validate_seller(caller)
    wanted = {name: value for name, value in asdict(request).items() if value is not UNSET}
    async with deps.database.transaction() as tx:
        locked = await store.lock_seller(tx, account.id)
        if locked is None:
            raise ShopRequired
        shop = locked[0].shop
        if shop.status not in ("approved", "pending"):
            raise ShopNotChangeable
        changed = replace(shop, **wanted)
        if changed != shop:
            with refuse_duplicate(ShopNameTaken()):
                shop = await store.update_shop(tx, changed)
            await publish(
                tx,
                SellerUpdated(
                    shop_id=shop.id,
                    user_id=account.id,
                    shop_name=shop.name,
                    status=shop.status,
                    shop_version=shop.version,
                    shop_slug=shop.slug,
                ),
            )
        reply = ShopUpdated(shop)
        await caller.store_response(tx, reply)
    return reply

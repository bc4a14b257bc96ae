"""GET /seller/api/get-shop/{shop_id}: an approved shop, by its id or slug, for anyone.

Its seller and admins see it in any status, once auth has confirmed that their login session is active.
"""

import time
from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.errors import Forbidden, Unauthenticated
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import Role, parse_uuid
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded, encode
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import PublicShop, ShopNotFound


class GetShop(Struct, frozen=True):
    """The id or the slug of a shop."""

    shop_id: Annotated[str, Meta(min_length=1, max_length=100)]


class ShopFound(Struct, frozen=True):
    """The requested shop."""

    shop: PublicShop


async def get_shop(deps: Deps, caller: Caller, request: GetShop) -> Encoded[ShopFound]:
    """Show an approved shop; its seller and admins see it in any status.

    Raises:
        ShopNotFound: it does not exist, or the caller may not see it.
    """
    began = time.monotonic()
    shop = await store.get_public_shop(deps.database, parse_uuid(request.shop_id) or request.shop_id)
    if shop is None or not (shop.status == "approved" or await _may_see_hidden(deps, caller, shop)):
        raise ShopNotFound
    return Encoded(encode(ShopFound(shop)), as_of=began if shop.status == "approved" else None)


async def _may_see_hidden(deps: Deps, caller: Caller, shop: Shop) -> bool:
    identity = caller.identity
    if identity is None or (identity.role is not Role.ADMIN and identity.account_id != shop.seller_id):
        return False
    try:
        await deps.auth.validate_user(caller)
    except (Unauthenticated, Forbidden):
        return False
    return True

"""GET /seller/api/get-shops: several approved shops at once, for anyone."""

import time
from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.seller import MAX_SHOPS
from nextbuy.contracts.values import Page, parse_uuid
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded, encode
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import InvalidShopIds, PublicShop


class GetPublicShops(Struct, frozen=True):
    """At most 100 shop ids, separated by commas."""

    ids: Annotated[str, Meta(min_length=36, max_length=MAX_SHOPS * 37)]


async def get_public_shops(deps: Deps, _caller: Caller, request: GetPublicShops) -> Encoded[Page[PublicShop]]:
    """Show several approved shops, in the order of their ids; others are left out.

    Raises:
        Unprocessable: the ids are not 1 to 100 ids, separated by commas (`invalid-shop-ids`).
    """
    parsed = [parse_uuid(item) for item in request.ids.split(",")]
    ids = list(dict.fromkeys(shop_id for shop_id in parsed if shop_id is not None))
    if None in parsed or len(ids) > MAX_SHOPS:
        raise InvalidShopIds(f"Invalid ids. Send 1 to {MAX_SHOPS} shop ids, separated by commas.")
    began = time.monotonic()
    found = await store.get_approved_shops(deps.database, ids)
    shops = Page([found[shop_id] for shop_id in ids if shop_id in found])
    return Encoded(encode(shops), as_of=began)

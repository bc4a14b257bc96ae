"""A shop as get-shop shows it."""

import msgspec

from nextbuy.contracts.auth import Account
from nextbuy.seller.deps import Deps
from nextbuy.seller.get_shop import GetShop, ShopFound, get_shop
from nextbuy.seller.model import PublicShop
from tests.callers import caller


async def shown_shop(deps: Deps, who: Account | None, key: str) -> PublicShop:
    """Return the shop that `who` sees under an id or a slug."""
    reply = await get_shop(deps, caller(who), GetShop(key))
    return msgspec.json.decode(reply.body, type=ShopFound).shop

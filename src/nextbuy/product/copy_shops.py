"""Subscription: copy the state of shops from seller's events; only the products of approved shops are for sale.

The state with the highest version is stored. Versions rather than positions order the states, because states from
replies to calls are stored too (`create_product`), and a reply has no position.
"""

from collections.abc import Sequence

from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended, SellerUpdated
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction
from nextbuy.product.deps import Deps
from nextbuy.product.model import ShopState
from nextbuy.product.store.shops import upsert_shops


async def copy_shops(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Store the latest state of each shop; a version older than the stored one changes nothing."""
    states = [
        ShopState(shop.shop_id, shop.user_id, shop.shop_name, shop.shop_slug, shop.status, shop.shop_version)
        for shop in (event.event for event in events)
        if isinstance(shop, SellerRegistered | SellerUpdated | SellerApproved | SellerRejected | SellerSuspended)
    ]
    await upsert_shops(tx, states)

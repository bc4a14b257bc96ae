"""Event handler: copy the state of a shop from seller to product, which offers the products of approved shops only.

Product keeps the latest version of a shop, so a duplicate or late event changes nothing there.
"""

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.product import UpsertShop
from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended
from nextbuy.kafka.deps import Deps

ShopEvent = SellerRegistered | SellerApproved | SellerRejected | SellerSuspended


async def sync_shops(deps: Deps, event: ShopEvent, _envelope: Envelope) -> None:
    """Send the state of a shop to product."""
    await deps.product.upsert_shop(
        UpsertShop(
            shop_id=event.shop_id,
            seller_id=event.user_id,
            shop_name=event.shop_name,
            status=event.status,
            shop_version=event.shop_version,
        )
    )

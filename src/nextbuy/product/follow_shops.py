"""What seller tells of shops: only the goods of an approved one can be seen and bought."""

from collections.abc import Sequence

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended
from nextbuy.kit.database import Transaction
from nextbuy.product.deps import Deps
from nextbuy.product.store.shops import ShopWord, keep_shops

ShopEvent = SellerRegistered | SellerApproved | SellerRejected | SellerSuspended


async def follow_shops(_product: Deps, tx: Transaction, told: Sequence[tuple[ShopEvent, Envelope]]) -> None:
    """Keep what was told of shops; an older word than the one kept changes nothing."""
    words = [ShopWord(e.shop_id, e.user_id, e.shop_name, e.status, e.shop_version) for e, _ in told]
    await keep_shops(tx, words)

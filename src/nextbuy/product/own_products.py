"""Changes that only the seller of a product may make: lock an own product, archive and restore it."""

from uuid import UUID

from msgspec.structs import replace

from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.storage.database import Transaction
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductNotFound, ProductReply, updated_event
from nextbuy.product.store.products import LockedProduct, lock, update


async def lock_own(tx: Transaction, product_id: UUID, seller_id: UUID) -> LockedProduct:
    """Return a seller's own product, locked until the transaction ends.

    Raises:
        NotFound: it does not exist, or belongs to another seller.
    """
    locked = await lock(tx, product_id)
    if locked is None or locked.seller_id != seller_id:
        raise ProductNotFound
    return locked


async def set_archived(deps: Deps, caller: Caller, product_id: UUID, *, archived: bool) -> ProductReply:
    """Archive one of the caller's own products, or restore it, off sale. A repeated request changes nothing.

    Raises:
        NotFound: the product does not exist, or belongs to another seller.
    """
    account = await deps.auth.validate_seller(caller)
    async with deps.database.transaction() as tx:
        before = await lock_own(tx, product_id, account.id)
        product = before.product
        if product.archived != archived:
            changed = ["on_sale", "archived"] if product.on_sale else ["archived"]
            product = await update(tx, replace(product, archived=archived, on_sale=False), before.versions)
            await publish(tx, updated_event(product, account.id, changed))
        reply = ProductReply(product)
        await caller.store_response(tx, reply)
    deps.cache.invalidate([product_id])
    deps.cache.invalidate_pages()
    return reply

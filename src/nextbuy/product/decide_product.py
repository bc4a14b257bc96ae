"""DecideProduct: an admin approves or rejects a product; the same decision again changes nothing and tells nobody."""

from msgspec.structs import replace

from nextbuy.contracts.product import DecideProduct, Product, ProductApproved, ProductRejected
from nextbuy.kit.events.outbox import publish
from nextbuy.product.deps import Deps
from nextbuy.product.model import decided, no_such_product
from nextbuy.product.store.products import Locked, decide, lock


async def decide_product(deps: Deps, call: DecideProduct) -> Product:
    """Decide; the seller finds the reason among those of moderation."""
    async with deps.database.transaction() as tx:
        before = await lock(tx, call.product_id)
        if before is None:
            raise no_such_product(call.product_id)
        if before.product.status == call.decision:
            return before.product
        moderation = decided(before.product.moderation, call.reason)
        await decide(tx, call.product_id, call.decision, moderation, call.by)
        await publish(tx, _event(before, call))
    deps.shelf.drop([call.product_id])
    deps.shelf.drop_pages()
    return replace(before.product, status=call.decision, moderation=moderation)


def _event(before: Locked, call: DecideProduct) -> ProductApproved | ProductRejected:
    product_id, shop_id, title = before.product.id, before.product.shop_id, before.product.title
    if call.decision == "active":
        return ProductApproved(
            product_id=product_id, shop_id=shop_id, seller_id=before.seller_id, title=title, status="active", by=call.by
        )
    return ProductRejected(
        product_id=product_id,
        shop_id=shop_id,
        seller_id=before.seller_id,
        title=title,
        status="rejected",
        reason=call.reason,
        by=call.by,
    )

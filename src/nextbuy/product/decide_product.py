"""Call DecideProduct: store an admin's decision to approve or reject a product."""

from msgspec.structs import replace

from nextbuy.contracts.product import DecideProduct, Product, ProductApproved, ProductRejected
from nextbuy.kit.audit_log import record
from nextbuy.kit.events.outbox import publish
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductNotFound, with_admin_reason
from nextbuy.product.store.products import LockedProduct, lock, set_decision
from nextbuy.product.versions import require_undecided


async def decide_product(deps: Deps, call: DecideProduct) -> Product:
    """Store a decision and publish its event. A repeated decision changes nothing.

    The admin's reason is added to the moderation that the seller sees.

    Raises:
        NotFound: the product does not exist.
        PreconditionFailed: the admin has read another version of its content (`stale`).
        Conflict: an admin has decided otherwise (`already-decided`).
    """
    async with deps.database.transaction() as tx:
        before = await lock(tx, call.product_id)
        if before is None:
            raise ProductNotFound
        require_undecided(
            call.seen, before.versions, before.product, call.decision, decided_by=before.decided_by, by=call.by
        )
        if before.product.status == call.decision:
            return before.product
        moderation = with_admin_reason(before.product.moderation, call.reason)
        decided = replace(before.product, status=call.decision, moderation=moderation)
        decided = await set_decision(tx, decided, before.versions.after_change(["status"]), by=call.by)
        await publish(tx, _event(before, call))
        await record(
            tx,
            str(call.by),
            "decide-product",
            str(call.product_id),
            before=before.product.status,
            after=call.decision,
            reason=call.reason,
            name=before.product.title,
            etag=decided.etag,
        )
    deps.cache.invalidate([call.product_id])
    deps.cache.invalidate_pages()
    return decided


def _event(before: LockedProduct, call: DecideProduct) -> ProductApproved | ProductRejected:
    product = before.product
    if call.decision == "active":
        return ProductApproved(
            product_id=product.id,
            shop_id=product.shop_id,
            seller_id=before.seller_id,
            title=product.title,
            status="active",
            by=call.by,
        )
    return ProductRejected(
        product_id=product.id,
        shop_id=product.shop_id,
        seller_id=before.seller_id,
        title=product.title,
        status="rejected",
        reason=call.reason,
        findings=[],
        by=call.by,
    )

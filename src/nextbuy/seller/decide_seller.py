"""Call DecideSeller: store an admin's decision to approve, reject or suspend a seller."""

from nextbuy.contracts.seller import DecideSeller, Seller
from nextbuy.kit.audit_log import record
from nextbuy.kit.events.outbox import publish
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import SellerNotFound, check_decision, require_seen, status_event


async def decide_seller(deps: Deps, call: DecideSeller) -> Seller:
    """Store a decision and publish its event. Repeating the decision changes nothing.

    Raises:
        SellerNotFound: the account has no shop.
        DecisionNotAllowed: the seller's status does not allow the decision.
        Stale: the admin has not read this version of a shop that waits.
        AlreadyDecided: the admin has not read the decision of another admin.
    """
    async with deps.database.transaction() as tx:
        locked = await store.lock_seller(tx, call.user_id)
        if locked is None:
            raise SellerNotFound
        seller, decision = locked
        if decision == call.decision:
            return seller
        require_seen(call.seen, seller.shop)
        check_decision(decision, call.decision)
        decided = await store.set_status(tx, seller.shop.id, call.decision, reason=call.reason, by=call.by)
        # An approved shop of a suspended account stays closed; its approval is published with the reinstatement.
        if decided.shop.status == call.decision:
            await publish(tx, status_event(decided, call.reason))
        await record(
            tx,
            str(call.by),
            "decide-seller",
            str(call.user_id),
            before=decision,
            after=call.decision,
            reason=call.reason,
            name=seller.shop.name,
            shop_id=str(seller.shop.id),
        )
    return decided

"""Call DecideSeller: an admin approves, rejects or suspends a seller.

The decision, the new state and its event are written together; the same decision again changes nothing.
"""

from nextbuy.contracts.message import Event
from nextbuy.contracts.seller import DecideSeller, Seller, SellerApproved, SellerRejected, SellerSuspended
from nextbuy.kit.events.outbox import publish
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import NoSuchSeller, check_decision


async def decide_seller(deps: Deps, call: DecideSeller) -> Seller:
    """Write a decision.

    Raises:
        NoSuchSeller: nobody of that id has a shop.
        DecisionRefused: it cannot follow the state the seller is in.
    """
    async with deps.database.transaction() as tx:
        known = await store.lock_seller(tx, call.user_id)
        if known is None:
            raise NoSuchSeller("There is no seller of that id who has a shop.")
        if known.shop.status == call.decision:
            return known
        check_decision(known.shop.status, call.decision)
        decided = await store.set_status(tx, known.shop.id, call.decision, reason=call.reason, by=call.by)
        await publish(tx, _told(decided, call))
    return decided


def _told(decided: Seller, call: DecideSeller) -> Event:
    shop = decided.shop
    if call.decision == "approved":
        return SellerApproved(
            shop_id=shop.id,
            user_id=decided.user_id,
            shop_name=shop.name,
            status=shop.status,
            shop_version=shop.version,
        )
    kind = SellerRejected if call.decision == "rejected" else SellerSuspended
    return kind(
        shop_id=shop.id,
        user_id=decided.user_id,
        shop_name=shop.name,
        status=shop.status,
        shop_version=shop.version,
        reason=call.reason,
    )

"""Every second, and at the stop: what buyers did is published, added up by product and hour, in one transaction."""

import logging
from typing import Final

from nextbuy.contracts.message import Event
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.kit.events.outbox import publish
from nextbuy.product.activity import Did
from nextbuy.product.deps import Deps
from nextbuy.product.store.activity import Owner, owners

log: Final = logging.getLogger(__name__)


async def flush_activity(deps: Deps) -> None:
    """Publish what was counted since the last time; where that fails it waits for the next."""
    taken, dropped = deps.activities.take()
    if dropped:
        log.warning("%d views and baskets were more than could wait, and are not counted.", dropped)
    if not taken:
        return
    try:
        known = await owners(deps.database, {product_id for product_id, _, _ in taken})
        events = [_event(did, times, known[did[0]]) for did, times in taken.items() if did[0] in known]
        async with deps.database.transaction() as tx:
            await publish(tx, *events)
    except Exception as error:  # noqa: BLE001  whatever it was, views may wait and may be lost
        deps.activities.add(taken)
        log.warning("Views and baskets have to wait: %r", error)
    except BaseException:
        deps.activities.add(taken)
        raise


def _event(did: Did, times: int, owner: Owner) -> Event:
    product_id, action, hour = did
    if action == "viewed":
        return ProductViewed(
            product_id=product_id, shop_id=owner.shop_id, seller_id=owner.seller_id, views=times, hour=hour
        )
    return ProductAddedToBasket(
        product_id=product_id, shop_id=owner.shop_id, seller_id=owner.seller_id, times=times, hour=hour
    )

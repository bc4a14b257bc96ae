"""Job and shutdown hook: publish the counted views and basket additions, one event per product, action and hour."""

import logging
from typing import Final

from nextbuy.contracts.message import Event
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.kit.events.outbox import publish
from nextbuy.product.activity_buffer import ActivityKey
from nextbuy.product.deps import Deps
from nextbuy.product.store.activity import Owner, get_owners

log: Final = logging.getLogger(__name__)


async def flush_activity(deps: Deps) -> None:
    """Publish the buffered counts; if that fails, put them back for the next flush."""
    counts, dropped = deps.activity.drain()
    if dropped:
        log.warning("activity buffer full; %d views and basket additions lost", dropped)
    if not counts:
        return
    try:
        owners = await get_owners(deps.database, {product_id for product_id, _, _ in counts})
        events = [_event(key, times, owners[key[0]]) for key, times in counts.items() if key[0] in owners]
        async with deps.database.transaction() as tx:
            await publish(tx, *events)
    except Exception as error:  # noqa: BLE001  whatever the error, views may be late or lost
        deps.activity.add(counts)
        log.warning("publishing activity failed; retry at the next flush", extra={"error": repr(error)})
    except BaseException:
        deps.activity.add(counts)
        raise


def _event(key: ActivityKey, times: int, owner: Owner) -> Event:
    product_id, action, hour = key
    if action == "viewed":
        return ProductViewed(
            product_id=product_id, shop_id=owner.shop_id, seller_id=owner.seller_id, views=times, hour=hour
        )
    return ProductAddedToBasket(
        product_id=product_id, shop_id=owner.shop_id, seller_id=owner.seller_id, times=times, hour=hour
    )

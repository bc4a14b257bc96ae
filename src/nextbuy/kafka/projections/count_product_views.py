"""What was looked at, put into baskets and bought, by product and hour."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.projection import PRODUCT_VIEWS, Told, project
from nextbuy.kit.storage.database import Transaction


async def count_product_views(_deps: Deps, tx: Transaction, events: Told) -> None:
    """Add events to the product views, in the transaction that marks them as seen."""
    await project(tx, PRODUCT_VIEWS, events)

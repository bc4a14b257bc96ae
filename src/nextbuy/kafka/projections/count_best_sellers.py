"""What was sold, by product and day."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.projection import BEST_SELLERS, Told, project
from nextbuy.kit.storage.database import Transaction


async def count_best_sellers(_deps: Deps, tx: Transaction, events: Told) -> None:
    """Add orders to the best sellers, in the transaction that marks them as seen."""
    await project(tx, BEST_SELLERS, events)

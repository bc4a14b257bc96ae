"""What shops did, by day, and whose they are."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.projection import SELLER_FIGURES, Told, project
from nextbuy.kit.storage.database import Transaction


async def count_seller_figures(_deps: Deps, tx: Transaction, events: Told) -> None:
    """Add events to the seller figures, in the transaction that marks them as seen."""
    await project(tx, SELLER_FIGURES, events)

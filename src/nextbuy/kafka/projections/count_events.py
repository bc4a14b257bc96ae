"""Every event is counted: by day, topic and shop, many in one transaction, each once."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.projection import DAILY_FIGURES, Told, project
from nextbuy.kit.storage.database import Transaction


async def count_events(_deps: Deps, tx: Transaction, events: Told) -> None:
    """Add events to the daily figures, in the transaction that marks them as seen."""
    await project(tx, DAILY_FIGURES, events)

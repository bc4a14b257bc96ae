"""Every event is counted: by day, topic and shop, many in one transaction, each once."""

from collections.abc import Sequence

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kafka import store
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import figures
from nextbuy.kit.database import Transaction


async def count_events(_kafka: Deps, tx: Transaction, events: Sequence[tuple[Event, Envelope]]) -> None:
    """Add events to the daily figures, in the transaction that marks them as seen."""
    await store.add_figures(tx, figures(events))

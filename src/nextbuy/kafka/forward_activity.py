"""Event handler: forward views and sales to product, many events in one call. Product counts each event once."""

from collections.abc import Iterator, Sequence
from typing import Final

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import Activity, ProductViewed
from nextbuy.kafka.deps import Deps

_MAX_LINES: Final = 2_000
"""Lines per call, as many as product accepts. All lines of an event are in one call."""

ActivityEvents = Sequence[tuple[ProductViewed | OrderCreated, Envelope]]


async def forward_activity(deps: Deps, events: ActivityEvents) -> None:
    """Send the events to product, one line per product; product ignores events that it has counted."""
    for lines in _batches(events):
        await deps.product.record_activity(lines)


def _batches(events: ActivityEvents) -> Iterator[list[Activity]]:
    """Yield the lines of one call after another."""
    batch: list[Activity] = []
    for event, envelope in events:
        lines = _lines(event, envelope)
        if len(batch) + len(lines) > _MAX_LINES:
            yield batch
            batch = []
        batch += lines
    if batch:
        yield batch


def _lines(event: ProductViewed | OrderCreated, envelope: Envelope) -> list[Activity]:
    if isinstance(event, ProductViewed):
        return [Activity(envelope.id, event.product_id, viewed=event.views)]
    return [Activity(envelope.id, line.product_id, sold=line.quantity) for line in event.lines]

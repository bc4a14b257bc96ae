"""What was looked at and sold is told to product, which shows it: many events in one call, each counted there once."""

from collections.abc import Iterator, Sequence
from typing import Final

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import Activity, ProductViewed
from nextbuy.kafka.deps import Deps

_MOST: Final = 2_000
"""Lines of one call; an order has at most 50, and all lines of an event go together."""


async def forward_activity(deps: Deps, events: Sequence[tuple[ProductViewed | OrderCreated, Envelope]]) -> None:
    """Tell product of views and sales."""
    for lines in _parts(events):
        await deps.product.record_activity(lines)


def _parts(events: Sequence[tuple[ProductViewed | OrderCreated, Envelope]]) -> Iterator[list[Activity]]:
    part: list[Activity] = []
    for event, envelope in events:
        lines = _lines(event, envelope)
        if len(part) + len(lines) > _MOST:
            yield part
            part = []
        part += lines
    if part:
        yield part


def _lines(event: ProductViewed | OrderCreated, envelope: Envelope) -> list[Activity]:
    if isinstance(event, ProductViewed):
        return [Activity(envelope.id, event.product_id, viewed=event.views)]
    return [Activity(envelope.id, line.product_id, sold=line.quantity) for line in event.lines]

"""What events count for."""

from datetime import UTC, date, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money, new_id
from nextbuy.kafka.model import figures

SHOP = new_id()


def order(units: int = 2, amount: int = 1_999) -> OrderCreated:
    line = PricedLine(new_id(), SHOP, "Mug", units, Money(amount))
    return OrderCreated(
        order_id=new_id(),
        number="NB-1",
        session_id=new_id(),
        buyer_id=new_id(),
        shop_id=SHOP,
        total=Money(units * amount),
        lines=[line],
    )


def enveloped(event: Event, day: date = date(2026, 11, 22)) -> Envelope:
    return Envelope(
        id=new_id(),
        type=event.topic,
        source="test",
        time=datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC),
        key="k",
        schema_version=1,
        correlation_id="c",
        causation_id="c",
        traceparent="",
        data=msgspec.Raw(msgspec.json.encode(event)),
    )


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 10_000), st.integers(1, 28)), max_size=30))
def test_figures_add_up_whatever_the_batches(orders: list[tuple[int, int, int]]) -> None:
    events = [(order(units, amount), date(2026, 11, day)) for units, amount, day in orders]
    found = figures((event, enveloped(event, day)) for event, day in events)
    assert sum(f.events for f in found) == len(events)
    assert sum(f.units for f in found) == sum(units for units, _, _ in orders)
    assert sum(f.amount for f in found) == sum(units * amount for units, amount, _ in orders)
    assert {f.day for f in found} == {day for _, day in events}
    assert len({(f.day, f.topic, f.shop_id) for f in found}) == len(found)

"""What events mean to people, and what they count for."""

from datetime import UTC, date, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderCreated, OrderPaid
from nextbuy.contracts.product import PricedLine, ProductPending
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import Money, new_id
from nextbuy.kafka.model import figures, notice

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


def test_a_new_order_is_told_with_its_number_and_its_money() -> None:
    event_id = new_id()
    note = notice(order(units=3, amount=150_050), event_id)
    assert note is not None
    assert (note.kind, note.source_event_id) == ("order-created", event_id)
    assert note.message == "Order NB-1: 3 units, 4,501.50 USD."


def test_a_product_that_waits_is_told_with_why_it_waits() -> None:
    event = ProductPending(
        product_id=new_id(),
        shop_id=SHOP,
        seller_id=new_id(),
        title="Dynamo light",
        status="pending",
        score=80,
        rules=["sensitive-category"],
    )
    note = notice(event, new_id())
    assert note is not None
    assert note.kind == "product-pending"
    assert note.message == "“Dynamo light” scored 80 of 100 (sensitive-category)."


def test_a_new_seller_is_told() -> None:
    event = SellerRegistered(shop_id=SHOP, user_id=new_id(), shop_name="Kiln", status="pending", shop_version=1)
    note = notice(event, new_id())
    assert note is not None
    assert note.link == "/admin/api/get-pending-sellers"


def test_what_the_admins_need_not_know_is_not_told() -> None:
    paid = OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=SHOP, total=Money(1))
    assert notice(paid, new_id()) is None


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 10_000), st.integers(1, 28)), max_size=30))
def test_figures_add_up_whatever_the_batches(orders: list[tuple[int, int, int]]) -> None:
    events = [(order(units, amount), date(2026, 11, day)) for units, amount, day in orders]
    found = figures((event, enveloped(event, day)) for event, day in events)
    assert sum(f.events for f in found) == len(events)
    assert sum(f.units for f in found) == sum(units for units, _, _ in orders)
    assert sum(f.amount for f in found) == sum(units * amount for units, amount, _ in orders)
    assert {f.day for f in found} == {day for _, day in events}
    assert len({(f.day, f.topic, f.shop_id) for f in found}) == len(found)

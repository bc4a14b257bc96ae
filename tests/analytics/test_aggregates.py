"""Sums of events do not depend on how the events are split into batches."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from nextbuy.analytics.aggregates import topic_days
from tests.inbound import inbound, late_on, order


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 10_000), st.integers(1, 28)), max_size=30))
def test_sums_by_topic_and_day_add_up(orders: list[tuple[int, int, int]]) -> None:
    events = [(order(units, amount), date(2026, 11, day)) for units, amount, day in orders]

    rows = topic_days([inbound(event, late_on(day)) for event, day in events])

    assert sum(row.events for row in rows) == len(events)
    assert sum(row.units for row in rows) == sum(units for units, _, _ in orders)
    assert sum(row.amount for row in rows) == sum(units * amount for units, amount, _ in orders)
    assert {row.day for row in rows} == {day for _, day in events}
    assert len({(row.day, row.topic, row.shop_id) for row in rows}) == len(rows)

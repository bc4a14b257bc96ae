"""Reconciliation reports each planted violation, and nothing on a correct run."""

from uuid import uuid4

from tests.chaos.reconciliation import EventRef, exactly_once, in_order, one_after_another

CREATED = [EventRef("order.created", f"order {n}", uuid4()) for n in range(5)]
UPDATED = [EventRef("product.updated", f"product {n % 2}", uuid4()) for n in range(6)]


def test_items_found_once_in_any_order_are_correct() -> None:
    assert exactly_once("events", CREATED, reversed(CREATED)) == []


def test_lost_event_is_reported() -> None:
    (problem,) = exactly_once("events", CREATED, CREATED[1:])
    assert problem.startswith("1 events lost, like")


def test_doubled_event_is_reported() -> None:
    (problem,) = exactly_once("events", CREATED, [*CREATED, CREATED[2]])
    assert problem.startswith("1 events doubled, like")


def test_unknown_event_is_reported() -> None:
    (problem,) = exactly_once("events", CREATED[:4], CREATED)
    assert problem.startswith("1 events unknown, like")


def test_lost_and_doubled_event_are_both_reported() -> None:
    assert len(exactly_once("events", CREATED, [*CREATED[1:], CREATED[1]])) == 2


def test_order_across_keys_does_not_matter() -> None:
    assert in_order("the bus", UPDATED, [*UPDATED[::2], *UPDATED[1::2]]) == []


def test_redelivery_does_not_break_order() -> None:
    assert in_order("the bus", UPDATED, [*UPDATED, *UPDATED[:3]]) == []


def test_swapped_events_of_one_key_are_reported() -> None:
    first, second, third, *rest = UPDATED
    (problem,) = in_order("the bus", UPDATED, [third, second, first, *rest])
    assert problem.startswith("1 keys of the bus out of order, like [('product.updated', 'product 0')]")


def test_events_applied_together_or_later_are_in_order() -> None:
    assert one_after_another("figures", UPDATED, {event.id: n // 2 for n, event in enumerate(UPDATED)}) == []


def test_event_applied_before_its_predecessor_is_reported() -> None:
    moments = {event.id: float(n) for n, event in enumerate(UPDATED)}
    moments[UPDATED[5].id] = 0.5
    (problem,) = one_after_another("figures", UPDATED, moments)
    assert problem.startswith("1 keys of figures applied out of order, like [('product.updated', 'product 1')]")

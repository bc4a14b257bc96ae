"""The reckoning sees each kind of wrong that is planted in it, and nothing where there is none."""

from uuid import uuid4

from tests.chaos.reconciliation import Said, each_once, in_order, one_after_another

CREATED = [Said("order.created", f"order {n}", uuid4()) for n in range(5)]
UPDATED = [Said("product.updated", f"product {n % 2}", uuid4()) for n in range(6)]


def test_what_arrived_once_each_is_right_in_whatever_order() -> None:
    assert each_once("events", CREATED, reversed(CREATED)) == []


def test_a_lost_event_is_seen() -> None:
    (problem,) = each_once("events", CREATED, CREATED[1:])
    assert problem.startswith("1 events lost, like")


def test_a_doubled_event_is_seen() -> None:
    (problem,) = each_once("events", CREATED, [*CREATED, CREATED[2]])
    assert problem.startswith("1 events doubled, like")


def test_an_event_that_nobody_wrote_is_seen() -> None:
    (problem,) = each_once("events", CREATED[:4], CREATED)
    assert problem.startswith("1 events from nowhere, like")


def test_one_lost_and_another_doubled_do_not_make_up_for_each_other() -> None:
    assert len(each_once("events", CREATED, [*CREATED[1:], CREATED[1]])) == 2


def test_the_order_of_different_keys_does_not_matter() -> None:
    assert in_order("the bus", UPDATED, [*UPDATED[::2], *UPDATED[1::2]]) == []


def test_what_comes_again_later_breaks_no_order() -> None:
    assert in_order("the bus", UPDATED, [*UPDATED, *UPDATED[:3]]) == []


def test_two_events_of_one_key_that_changed_places_are_seen() -> None:
    first, second, third, *rest = UPDATED
    (problem,) = in_order("the bus", UPDATED, [third, second, first, *rest])
    assert problem.startswith("1 keys of the bus out of order, like [('product.updated', 'product 0')]")


def test_what_is_applied_with_or_after_what_was_before_it_is_right() -> None:
    assert one_after_another("figures", UPDATED, {event.id: n // 2 for n, event in enumerate(UPDATED)}) == []


def test_what_is_applied_before_what_was_before_it_is_seen() -> None:
    moments = {event.id: float(n) for n, event in enumerate(UPDATED)}
    moments[UPDATED[5].id] = 0.5
    (problem,) = one_after_another("figures", UPDATED, moments)
    assert problem.startswith("1 keys of figures applied out of order, like [('product.updated', 'product 1')]")

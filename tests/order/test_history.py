"""What is told of a session becomes the session again."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from nextbuy.contracts.message import Event
from nextbuy.contracts.order import (
    OrderPaid,
    PaymentRefunded,
    RefundDue,
    SessionExpired,
    SessionPaid,
    SoldLine,
)
from nextbuy.contracts.product import ProductApproved
from nextbuy.contracts.values import MAX_LINES, Money, new_id
from nextbuy.kit.events.outbox import MAX_EVENT_BYTES, make_envelope
from nextbuy.kit.observability import telemetry
from nextbuy.order.history import STEPS, TOLD, SessionProjection, begun, evolve, fold, told
from nextbuy.order.model import GONE, TRANSITIONS, Session, State, Transition, drafts

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def line() -> SoldLine:
    return SoldLine(new_id(), new_id(), "Mug", 2, Money(150), new_id())


SESSION = Session(
    id=new_id(),
    buyer_id=new_id(),
    status=State.OPENING,
    total=Money(600),
    lines=[line(), line()],
    expires_at=NOW,
    traceparent="",
    correlation_id="",
    payment_id="pay_1",
    received=Money(600),
    reason="because",
    refund_id="re_1",
)
WAYS = {
    State.OPENING: [],
    State.OPEN: [Transition.OPENED],
    State.FAILED: [Transition.NOT_OPENED],
    State.EXPIRED: [Transition.LAPSED],
    State.PAYING: [Transition.MONEY_CAME],
    State.PAID: [Transition.MONEY_CAME, Transition.GOODS_TAKEN],
    State.REFUND_DUE: [Transition.MONEY_CAME, Transition.GOODS_GONE],
    State.REFUNDED: [Transition.WRONG_MONEY_CAME, Transition.MONEY_RETURNED],
}
"""By what a session comes to stand where."""


def step(happening: Transition) -> list[Event]:
    return told(happening, SESSION, [(new_id(), part) for part in drafts(SESSION)])


def life_at(state: State) -> SessionProjection:
    life = fold([begun(SESSION), *(event for happening in WAYS[state] for event in step(happening))])
    assert life is not None
    assert (life.status, life.amiss) == (state, ())
    return life


def later(life: SessionProjection, events: Sequence[Event]) -> SessionProjection:
    for event in events:
        after = evolve(life, event)
        assert after is not None
        life = after
    return life


def test_every_happening_is_told_by_the_events_of_its_step() -> None:
    assert set(STEPS) == set(Transition)
    for happening, events in STEPS.items():
        assert list(dict.fromkeys(map(type, step(happening)))) == list(events)


def test_what_is_told_of_a_step_leads_where_the_step_leads_and_is_amiss_from_anywhere_else() -> None:
    for happening, (sources, target) in TRANSITIONS.items():
        for state in State:
            after = later(life_at(state), step(happening))
            if state in sources:
                assert (after.status, after.amiss) == (target, ()), (happening, state)
            else:
                assert after.amiss, (happening, state)


@pytest.mark.parametrize("happening", list(Transition))
def test_a_step_that_is_not_told_is_seen_in_the_state(happening: Transition) -> None:
    (state, *_), target = TRANSITIONS[happening]
    assert life_at(state).status is not target


def test_orders_are_told_whole() -> None:
    life = life_at(State.PAID)
    parts = {part.number: part for part in drafts(SESSION)}
    assert {one.number for one in life.orders.values()} == set(parts)
    for order in life.orders.values():
        part = parts[order.number]
        assert (order.shop_id, order.seller_id, order.total) == (part.shop_id, part.seller_id, part.total)
        assert (order.status, order.buyer_id) == ("paid", SESSION.buyer_id)
        assert [(one.product_id, one.quantity) for one in order.lines] == [
            (one.product_id, one.quantity) for one in part.lines
        ]


def test_a_second_payment_stands_beside_the_session_and_does_not_move_it() -> None:
    whose = {"session_id": SESSION.id, "buyer_id": SESSION.buyer_id}
    due = RefundDue(**whose, payment_id="pay_2", total=Money(5), reason="twice")
    back = PaymentRefunded(**whose, payment_id="pay_2", total=Money(5), reason="twice", refund_id="re_2")
    paid = life_at(State.PAID)
    life = later(paid, [due, back])
    assert replace(life, others={}) == paid
    assert (life.others["pay_2"].returned, life.others["pay_2"].refund_id) == (True, "re_2")
    odd_ones: list[list[Event]] = [[back], [due, due], [due, back, back]]
    for odd in odd_ones:
        assert len(later(paid, odd).amiss) == 1


def test_a_refund_as_it_was_told_before_payments_were_named_is_the_sessions_own() -> None:
    old = PaymentRefunded(session_id=SESSION.id, buyer_id=SESSION.buyer_id, total=Money(600), reason=GONE)
    life = evolve(life_at(State.REFUND_DUE), old)
    assert life is not None
    assert (life.status, life.others) == (State.REFUNDED, {})


def test_what_is_not_known_changes_nothing_and_nothing_is_told_without_a_beginning() -> None:
    life = life_at(State.OPEN)
    assert evolve(life, ProductApproved(**dict.fromkeys(ProductApproved.__struct_fields__))) is life  # type: ignore[arg-type]
    ended = SessionExpired(session_id=SESSION.id, buyer_id=SESSION.buyer_id)
    assert fold([ended]) is None
    assert fold([]) is None


def test_orders_come_of_a_paid_session_once() -> None:
    life = life_at(State.PAID)
    order_id = next(iter(life.orders))
    again = OrderPaid(order_id=order_id, session_id=SESSION.id, shop_id=new_id(), total=Money(1))
    unknown = OrderPaid(order_id=new_id(), session_id=SESSION.id, shop_id=new_id(), total=Money(1))
    early = [event for event in step(Transition.GOODS_TAKEN) if not isinstance(event, SessionPaid)]
    for before, events in ((life, [again]), (life, [unknown]), (life_at(State.OPEN), early)):
        assert len(later(before, events).amiss) == len(events)


def test_no_event_of_an_order_says_where_it_goes_or_who_somebody_is() -> None:
    words = {"address", "full_name", "line1", "city", "postal_code", "email", "name", "payment_url", "url"}
    schemas = msgspec.json.schema_components(TOLD)[1]
    said = {field for schema in schemas.values() for field in schema.get("properties", {})}
    assert not words & said
    assert {"session_id", "title", "unit_price"} <= said


def test_the_largest_basket_is_far_from_too_large_an_event() -> None:
    longest = SoldLine(new_id(), new_id(), "\x01" * 200, 999, Money(10**9), new_id())
    event = begun(replace(SESSION, lines=[longest] * MAX_LINES))
    assert len(msgspec.json.encode(make_envelope(event, "order", telemetry.start_span()))) < MAX_EVENT_BYTES / 8

"""The events of a session, and the session rebuilt from them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from nextbuy.contracts.message import Event
from nextbuy.contracts.order import (
    OrderCreated,
    OrderPaid,
    PaymentFailed,
    PaymentGivenUp,
    PaymentReceived,
    PaymentRefunded,
    Reason,
    RefundDue,
    SessionCreated,
    SessionExpired,
    SessionNotOpened,
    SessionOpened,
    SessionPaid,
    SoldLine,
)
from nextbuy.contracts.product import PricedLine, ProductApproved
from nextbuy.contracts.values import MAX_LINES, Money, new_id
from nextbuy.kit.events.outbox import MAX_EVENT_BYTES, make_envelope
from nextbuy.kit.observability import telemetry
from nextbuy.order.history import (
    EVENTS,
    EVENTS_BY_TRANSITION,
    SessionProjection,
    decode_event,
    events_for,
    evolve,
    fold,
)
from nextbuy.order.model import TRANSITIONS, OrderDraft, Session, State, Transition, source_states, split_by_shop

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
    give_up_note="The provider is gone.",
)
PATHS = {
    State.OPENING: [Transition.CREATED],
    State.OPEN: [Transition.CREATED, Transition.OPENED],
    State.FAILED: [Transition.CREATED, Transition.NOT_OPENED],
    State.EXPIRED: [Transition.CREATED, Transition.EXPIRED],
    State.PAYING: [Transition.CREATED, Transition.PAYMENT_RECEIVED],
    State.PAID: [Transition.CREATED, Transition.PAYMENT_RECEIVED, Transition.STOCK_COMMITTED],
    State.REFUND_DUE: [Transition.CREATED, Transition.PAYMENT_RECEIVED, Transition.SOLD_OUT],
    State.GIVEN_UP: [Transition.CREATED, Transition.PAYMENT_RECEIVED, Transition.GIVEN_UP],
    State.REFUNDED: [Transition.CREATED, Transition.WRONG_AMOUNT_RECEIVED, Transition.REFUNDED],
}
"""Transitions that lead to each state."""


def step(transition: Transition) -> list[Event]:
    return events_for(transition, SESSION, [(new_id(), draft) for draft in split_by_shop(SESSION)])


def session_in(state: State) -> SessionProjection:
    session = fold([event for transition in PATHS[state] for event in step(transition)])
    assert session is not None
    assert (session.status, session.violations) == (state, ())
    return session


def apply(session: SessionProjection, events: Sequence[Event]) -> SessionProjection:
    for event in events:
        after = evolve(session, event)
        assert after is not None
        session = after
    return session


def test_every_transition_publishes_the_events_of_its_table() -> None:
    assert set(EVENTS_BY_TRANSITION) == set(Transition)
    for transition, events in EVENTS_BY_TRANSITION.items():
        assert list(dict.fromkeys(map(type, step(transition)))) == list(events)


def test_every_field_of_an_event_comes_from_its_session() -> None:
    order_ids = [new_id(), new_id()]
    first, second = drafts = split_by_shop(SESSION)
    ids = {"session_id": SESSION.id, "buyer_id": SESSION.buyer_id}
    received = PaymentReceived(**ids, payment_id="pay_1", total=Money(590))
    due = RefundDue(**ids, payment_id="pay_1", total=Money(590), reason="because")
    session = replace(SESSION, received=Money(590))

    def created(order_id: UUID, draft: OrderDraft) -> OrderCreated:
        [sold] = draft.lines
        return OrderCreated(
            order_id=order_id,
            number=draft.number,
            session_id=SESSION.id,
            buyer_id=SESSION.buyer_id,
            shop_id=sold.shop_id,
            seller_id=sold.seller_id,
            total=Money(300),
            lines=[PricedLine(sold.product_id, sold.shop_id, "Mug", 2, Money(150))],
        )

    def paid(order_id: UUID, draft: OrderDraft) -> OrderPaid:
        return OrderPaid(order_id=order_id, session_id=SESSION.id, shop_id=draft.shop_id, total=Money(300))

    expected: dict[Transition, list[Event]] = {
        Transition.CREATED: [SessionCreated(**ids, total=Money(600), lines=SESSION.lines, expires_at=NOW)],
        Transition.OPENED: [SessionOpened(**ids, payment_id="pay_1")],
        Transition.NOT_OPENED: [SessionNotOpened(**ids, reason="because")],
        Transition.DECLINED: [PaymentFailed(**ids, reason="because")],
        Transition.EXPIRED: [SessionExpired(**ids)],
        Transition.PAYMENT_RECEIVED: [received],
        Transition.WRONG_AMOUNT_RECEIVED: [received, due],
        Transition.SOLD_OUT: [due],
        Transition.GIVEN_UP: [
            PaymentGivenUp(**ids, payment_id="pay_1", total=Money(590), reason="because", note="The provider is gone.")
        ],
        Transition.REFUNDED: [
            PaymentRefunded(**ids, total=Money(590), reason="because", payment_id="pay_1", refund_id="re_1")
        ],
        Transition.STOCK_COMMITTED: [
            SessionPaid(**ids, total=Money(600), order_ids=order_ids),
            created(order_ids[0], first),
            created(order_ids[1], second),
            paid(order_ids[0], first),
            paid(order_ids[1], second),
        ],
    }
    for transition, events in expected.items():
        assert events_for(transition, session, list(zip(order_ids, drafts, strict=True))) == events, transition


def test_events_of_a_bare_session_have_empty_texts_and_the_total() -> None:
    bare = replace(SESSION, payment_id=None, reason=None, received=None)

    [refunded] = events_for(Transition.REFUNDED, bare)

    assert isinstance(refunded, PaymentRefunded)
    assert (refunded.payment_id, refunded.reason, refunded.total) == ("", "", SESSION.total)


def test_new_projection_has_every_field_of_its_creation() -> None:
    session = session_in(State.OPENING)

    assert (session.id, session.buyer_id, session.total) == (SESSION.id, SESSION.buyer_id, SESSION.total)
    assert (session.lines, session.expires_at, session.opened) == (SESSION.lines, NOW, False)
    assert session_in(State.OPEN).opened


def test_envelope_is_decoded_by_its_type() -> None:
    [event] = step(Transition.EXPIRED)
    envelope = make_envelope(event, "order", telemetry.start_span())

    assert decode_event(envelope) == event
    assert decode_event(replace(envelope, type="product.created")) is None


def test_events_of_a_transition_lead_to_its_target_and_violate_a_rule_in_other_states() -> None:
    for transition, (sources, target) in TRANSITIONS.items():
        for state in State:
            after = apply(session_in(state), step(transition))
            if state in sources:
                assert (after.status, after.violations) == (target, ()), (transition, state)
            else:
                assert after.violations, (transition, state)


@pytest.mark.parametrize("transition", [one for one in Transition if source_states(one)])
def test_every_transition_changes_the_state(transition: Transition) -> None:
    (state, *_), target = TRANSITIONS[transition]
    assert session_in(state).status is not target


def test_projection_has_complete_orders() -> None:
    session = session_in(State.PAID)
    drafts = {draft.number: draft for draft in split_by_shop(SESSION)}
    assert {one.number for one in session.orders.values()} == set(drafts)
    for order in session.orders.values():
        draft = drafts[order.number]
        assert (order.shop_id, order.seller_id, order.total) == (draft.shop_id, draft.seller_id, draft.total)
        assert (order.status, order.buyer_id) == ("paid", SESSION.buyer_id)
        assert [(one.product_id, one.quantity) for one in order.lines] == [
            (one.product_id, one.quantity) for one in draft.lines
        ]


def test_second_payment_does_not_move_the_session() -> None:
    ids = {"session_id": SESSION.id, "buyer_id": SESSION.buyer_id}
    due = RefundDue(**ids, payment_id="pay_2", total=Money(5), reason=Reason.UNMATCHED)
    refunded = PaymentRefunded(**ids, payment_id="pay_2", total=Money(5), reason=Reason.UNMATCHED, refund_id="re_2")
    paid = session_in(State.PAID)

    session = apply(paid, [due, refunded])

    assert replace(session, unmatched_payments={}) == paid
    payment = session.unmatched_payments["pay_2"]
    assert (payment.total, payment.reason) == (Money(5), Reason.UNMATCHED)
    assert (payment.refunded, payment.refund_id) == (True, "re_2")
    sequences: list[list[Event]] = [[refunded], [due, due], [due, refunded, refunded]]
    for events in sequences:
        assert len(apply(paid, events).violations) == 1


def test_unknown_events_change_nothing_and_no_session_exists_before_its_creation() -> None:
    session = session_in(State.OPEN)
    assert evolve(session, ProductApproved(**dict.fromkeys(ProductApproved.__struct_fields__))) is session  # type: ignore[arg-type]
    expired = SessionExpired(session_id=SESSION.id, buyer_id=SESSION.buyer_id)
    assert fold([expired]) is None
    assert fold([]) is None


def test_orders_of_a_session_are_created_and_paid_once() -> None:
    session = session_in(State.PAID)
    order_id = next(iter(session.orders))
    again = OrderPaid(order_id=order_id, session_id=SESSION.id, shop_id=new_id(), total=Money(1))
    unknown = OrderPaid(order_id=new_id(), session_id=SESSION.id, shop_id=new_id(), total=Money(1))
    early = [event for event in step(Transition.STOCK_COMMITTED) if not isinstance(event, SessionPaid)]
    for before, events in ((session, [again]), (session, [unknown]), (session_in(State.OPEN), early)):
        assert len(apply(before, events).violations) == len(events)


def test_no_event_has_a_postal_address_or_a_name() -> None:
    private = {"address", "full_name", "line1", "city", "postal_code", "email", "name", "payment_url", "url"}
    schemas = msgspec.json.schema_components(EVENTS)[1]
    fields = {field for schema in schemas.values() for field in schema.get("properties", {})}
    assert not private & fields
    assert {"session_id", "title", "unit_price"} <= fields


def test_largest_basket_is_far_below_the_limit_of_an_event() -> None:
    longest = SoldLine(new_id(), new_id(), "\x01" * 200, 999, Money(10**9), new_id())
    [event] = events_for(Transition.CREATED, replace(SESSION, lines=[longest] * MAX_LINES))
    assert len(msgspec.json.encode(make_envelope(event, "order", telemetry.start_span()))) < MAX_EVENT_BYTES / 8

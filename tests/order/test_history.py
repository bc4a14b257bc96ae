"""The events of a session, and the session rebuilt from them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from nextbuy.contracts.message import Event
from nextbuy.contracts.order import (
    HoldReleased,
    OrderCreated,
    OrderPaid,
    OrderRefunded,
    PaymentDeclined,
    PaymentFailed,
    PaymentGivenUp,
    PaymentReceived,
    PaymentRefunded,
    Reason,
    RefundDue,
    RefundReported,
    ReleaseGivenUp,
    SessionCancelled,
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
    EVENTS_BY_TRANSITION,
    SessionProjection,
    decode_event,
    events_for,
    evolve,
    fold,
)
from nextbuy.order.model import TRANSITIONS, OrderDraft, Session, State, Transition, source_states, split_by_shop
from nextbuy.order.unmatched_history import Origin

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ORIGIN = Origin(NOW, "00-trace-span-00", "my-purchase")


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
    payment_url="http://shop.test/pay/pay_1",
    received=Money(600),
    serial=7,
    reason="because",
    refund_id="re_1",
    give_up_note="The provider is gone.",
    declines=1,
    decline_code="card_declined",
)
PATHS = {
    State.OPENING: [Transition.CREATED],
    State.OPEN: [Transition.CREATED, Transition.OPENED],
    State.FAILED: [Transition.CREATED, Transition.NOT_OPENED],
    State.EXPIRED: [Transition.CREATED, Transition.EXPIRED],
    State.CANCELLED: [Transition.CREATED, Transition.OPENED, Transition.CANCELLED],
    State.PAYING: [Transition.CREATED, Transition.PAYMENT_RECEIVED],
    State.PAID: [Transition.CREATED, Transition.PAYMENT_RECEIVED, Transition.STOCK_COMMITTED],
    State.REFUND_DUE: [Transition.CREATED, Transition.PAYMENT_RECEIVED, Transition.SOLD_OUT],
    State.GIVEN_UP: [Transition.CREATED, Transition.PAYMENT_RECEIVED, Transition.GIVEN_UP],
    State.REFUNDED: [Transition.CREATED, Transition.WRONG_AMOUNT_RECEIVED, Transition.REFUNDED],
}
"""Transitions that lead to each state."""


REASONS = {Transition.REFUNDED_EARLY: Reason.REFUNDED_EARLY, Transition.REFUNDED_LATE: Reason.REFUNDED_LATE}
ORDERS = [(new_id(), draft) for draft in split_by_shop(SESSION)]


def step(transition: Transition) -> list[Event]:
    return events_for(transition, replace(SESSION, reason=REASONS.get(transition, SESSION.reason)), ORDERS)


def session_events(state: State) -> list[Event]:
    return [event for transition in PATHS[state] for event in step(transition)]


def session_in(state: State) -> SessionProjection:
    session = fold([(event, ORIGIN) for event in session_events(state)])
    assert session is not None
    assert (session.status, session.violations) == (state, ())
    return session


def apply(session: SessionProjection, events: Sequence[Event]) -> SessionProjection:
    for event in events:
        after = evolve(session, event, ORIGIN)
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
    received = PaymentReceived(**ids, payment_id="pay_1", total=Money(590), serial=7)
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

    def refunded(order_id: UUID, draft: OrderDraft) -> OrderRefunded:
        return OrderRefunded(
            order_id=order_id,
            number=draft.number,
            session_id=SESSION.id,
            buyer_id=SESSION.buyer_id,
            shop_id=draft.shop_id,
            seller_id=draft.seller_id,
            total=Money(300),
            reason="because",
        )

    expected: dict[Transition, list[Event]] = {
        Transition.CREATED: [SessionCreated(**ids, total=Money(600), lines=SESSION.lines, expires_at=NOW)],
        Transition.OPENED: [SessionOpened(**ids, payment_id="pay_1", payment_url="http://shop.test/pay/pay_1")],
        Transition.NOT_OPENED: [SessionNotOpened(**ids, reason="because", release_due=False)],
        Transition.PAYMENT_FAILED: [PaymentFailed(**ids, reason="because")],
        Transition.DECLINED: [PaymentDeclined(**ids, declines=1, reason="card_declined")],
        Transition.EXPIRED: [SessionExpired(**ids)],
        Transition.CANCELLED: [SessionCancelled(**ids, reason="because")],
        Transition.PAYMENT_RECEIVED: [received],
        Transition.WRONG_AMOUNT_RECEIVED: [received, due],
        Transition.SOLD_OUT: [due],
        Transition.GIVEN_UP: [
            PaymentGivenUp(**ids, payment_id="pay_1", total=Money(590), reason="because", note="The provider is gone.")
        ],
        Transition.REFUNDED: [
            PaymentRefunded(**ids, total=Money(590), reason="because", payment_id="pay_1", refund_id="re_1")
        ],
        Transition.REFUNDED_EARLY: [
            received,
            due,
            PaymentRefunded(**ids, total=Money(590), reason="because", payment_id="pay_1", refund_id="re_1"),
        ],
        Transition.REFUNDED_LATE: [
            PaymentRefunded(**ids, total=Money(590), reason="because", payment_id="pay_1", refund_id="re_1"),
            refunded(order_ids[0], first),
            refunded(order_ids[1], second),
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
    bare = replace(SESSION, payment_id=None, payment_url=None, reason=None, received=None, serial=0)

    [refunded] = events_for(Transition.REFUNDED, bare)
    [opened] = events_for(Transition.OPENED, bare)
    [received] = events_for(Transition.PAYMENT_RECEIVED, bare)

    assert isinstance(opened, SessionOpened)
    assert opened.payment_url == ""
    assert isinstance(received, PaymentReceived)
    assert received.serial is None
    assert isinstance(refunded, PaymentRefunded)
    assert (refunded.payment_id, refunded.reason, refunded.total) == ("", "", SESSION.total)


def test_new_projection_has_every_field_of_its_creation() -> None:
    session = session_in(State.OPENING)

    assert (session.id, session.buyer_id, session.total) == (SESSION.id, SESSION.buyer_id, SESSION.total)
    assert (session.lines, session.expires_at) == (SESSION.lines, NOW)
    assert (session.created_at, session.traceparent, session.correlation_id) == (
        ORIGIN.at,
        ORIGIN.traceparent,
        ORIGIN.correlation_id,
    )


def test_opened_session_has_its_payment_page_and_a_paid_one_its_serial_and_time() -> None:
    opened, paid = session_in(State.OPEN), session_in(State.PAID)

    assert (opened.payment_id, opened.payment_url) == ("pay_1", "http://shop.test/pay/pay_1")
    assert (opened.paid_at, opened.serial) == (None, None)
    assert (paid.paid_at, paid.serial, paid.received) == (NOW, 7, Money(600))
    assert {order.created_at for order in paid.orders.values()} == {NOW}


def test_release_of_units_is_due_until_they_are_released_or_paid() -> None:
    released = HoldReleased(session_id=SESSION.id, buyer_id=SESSION.buyer_id)
    wrong = PaymentReceived(
        session_id=SESSION.id, buyer_id=SESSION.buyer_id, payment_id="pay_1", total=Money(1), serial=None
    )
    expired = session_in(State.EXPIRED)

    assert expired.release_due
    assert not apply(expired, [released]).release_due
    assert not apply(expired, step(Transition.PAYMENT_RECEIVED)).release_due
    assert apply(expired, [released, wrong]).release_due
    assert not session_in(State.FAILED).release_due, "a refused hold needs no release"
    for state in (State.OPEN, State.PAID):
        assert len(apply(session_in(state), [released]).violations) == 1


def test_release_that_is_given_up_is_not_due_and_giving_up_an_incomplete_checkout_makes_it_due() -> None:
    ids = {"session_id": SESSION.id, "buyer_id": SESSION.buyer_id}
    given_up, released = ReleaseGivenUp(**ids, note="The shelf is empty."), HoldReleased(**ids)
    wrong = PaymentReceived(**ids, payment_id="pay_1", total=Money(1), serial=None)
    due = RefundDue(**ids, payment_id="pay_1", total=Money(1), reason=Reason.WRONG_AMOUNT)
    expired, sold_out = session_in(State.EXPIRED), session_in(State.REFUND_DUE)

    assert not apply(expired, [given_up]).release_due
    twice: list[list[Event]] = [[given_up, given_up], [given_up, released], [released, given_up]]
    for events in twice:
        assert len(apply(expired, events).violations) == 1
    assert session_in(State.GIVEN_UP).release_due
    assert not apply(sold_out, step(Transition.GIVEN_UP)).release_due
    assert apply(expired, [wrong, due, *step(Transition.GIVEN_UP)]).release_due
    assert not apply(expired, [wrong, due, released, *step(Transition.GIVEN_UP)]).release_due


def test_given_up_session_has_the_note_and_keeps_it_when_it_is_refunded_by_hand() -> None:
    session = session_in(State.GIVEN_UP)

    assert (session.reason, session.give_up_note, session.refund_id) == ("because", "The provider is gone.", None)
    refunded = apply(session, step(Transition.REFUNDED))
    assert (refunded.give_up_note, refunded.refund_id) == ("The provider is gone.", "re_1")


def test_envelope_is_decoded_by_its_type() -> None:
    [event] = step(Transition.EXPIRED)
    envelope = make_envelope(event, "order", telemetry.start_span())

    assert decode_event(envelope) == event
    assert decode_event(replace(envelope, type="product.created")) is None


def test_events_of_a_transition_lead_to_its_target_and_violate_a_rule_in_other_states() -> None:
    for transition, (sources, target) in TRANSITIONS.items():
        for state in State:
            if (transition, state) == (Transition.SOLD_OUT, State.CANCELLED):
                continue  # its event makes a payment unmatched
            after = apply(session_in(state), step(transition))
            if state in sources:
                assert (after.status, after.violations) == (target, ()), (transition, state)
            else:
                assert after.violations, (transition, state)


@pytest.mark.parametrize("transition", [one for one in Transition if source_states(one)])
def test_every_transition_but_a_declined_card_changes_the_state(transition: Transition) -> None:
    (state, *_), target = TRANSITIONS[transition]
    assert (session_in(state).status is target) == (transition is Transition.DECLINED)


def test_declined_card_that_is_missing_or_repeated_violates_a_rule() -> None:
    [first], [third] = step(Transition.DECLINED), events_for(Transition.DECLINED, replace(SESSION, declines=3))
    once = apply(session_in(State.OPEN), [first])
    assert (once.declines, once.decline_code, once.declined_at, once.violations) == (1, "card_declined", NOW, ())
    assert all(apply(once, [event]).violations for event in (first, third))


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
    assert (payment.session_id, payment.buyer_id) == (SESSION.id, SESSION.buyer_id)
    assert (payment.refund_id, payment.received_at) == ("re_2", NOW)
    given_up = PaymentGivenUp(**ids, payment_id="pay_2", total=Money(5), reason=Reason.UNMATCHED, note="By hand.")
    ended = apply(paid, [due, given_up]).unmatched_payments["pay_2"]
    assert (ended.give_up_note, ended.refund_id) == ("By hand.", None)
    by_hand = apply(paid, [due, given_up, refunded])
    assert by_hand.violations == ()
    assert by_hand.unmatched_payments["pay_2"] == replace(ended, refund_id="re_2")
    sequences: list[list[Event]] = [[refunded], [given_up], [due, due], [due, refunded, refunded]]
    sequences += [[due, refunded, given_up]]
    assert all(len(apply(paid, events).violations) == 1 for events in sequences)


def test_orders_of_a_session_that_is_refunded_late_are_refunded_once() -> None:
    paid, refunds = session_in(State.PAID), step(Transition.REFUNDED_LATE)

    session = apply(paid, refunds)

    assert (session.status, session.reason) == (State.REFUNDED, Reason.REFUNDED_LATE)
    assert {order.status for order in session.orders.values()} == {"refunded"}
    assert len(apply(session, refunds[1:]).violations) == len(ORDERS)
    # The events of orders are read after all events of their session.
    created = step(Transition.STOCK_COMMITTED)
    before = [*session_events(State.PAYING), created[0], refunds[0], *created[1:], *refunds[1:]]
    assert fold([(event, ORIGIN) for event in before]) == session


def test_session_that_is_refunded_early_releases_its_units() -> None:
    session = apply(session_in(State.OPEN), step(Transition.REFUNDED_EARLY))

    assert (session.status, session.reason) == (State.REFUNDED, Reason.REFUNDED_EARLY)
    assert session.release_due
    assert not session_in(State.REFUND_DUE).release_due


def test_reported_refund_is_remembered_and_moves_nothing() -> None:
    ids = {"session_id": SESSION.id, "buyer_id": SESSION.buyer_id}
    first = RefundReported(**ids, payment_id="pay_1", total=Money(5))
    second, other = replace(first, total=Money(9)), replace(first, payment_id="pay_2")
    for state in State:
        before = session_in(state)
        after = apply(before, [first, other, second])
        assert after.reported_refunds == {"pay_1": Money(9), "pay_2": Money(5)}
        assert replace(after, reported_refunds={}) == before
        assert len(apply(after, [first, second]).violations) == 2, "the amount of a payment only grows"


def test_unknown_events_change_nothing_and_no_session_exists_before_its_creation() -> None:
    session = session_in(State.OPEN)
    assert evolve(session, ProductApproved(**dict.fromkeys(ProductApproved.__struct_fields__)), ORIGIN) is session  # type: ignore[arg-type]
    expired = SessionExpired(session_id=SESSION.id, buyer_id=SESSION.buyer_id)
    assert fold([(expired, ORIGIN)]) is fold([]) is None


def test_orders_of_a_session_are_created_and_paid_once() -> None:
    session = session_in(State.PAID)
    order_id = next(iter(session.orders))
    again = OrderPaid(order_id=order_id, session_id=SESSION.id, shop_id=new_id(), total=Money(1))
    unknown = OrderPaid(order_id=new_id(), session_id=SESSION.id, shop_id=new_id(), total=Money(1))
    early = [event for event in step(Transition.STOCK_COMMITTED) if not isinstance(event, SessionPaid)]
    for before, events in ((session, [again]), (session, [unknown]), (session_in(State.OPEN), early)):
        assert len(apply(before, events).violations) == len(events)


def test_largest_basket_is_far_below_the_limit_of_an_event() -> None:
    longest = SoldLine(new_id(), new_id(), "\x01" * 200, 999, Money(10**9), new_id())
    [event] = events_for(Transition.CREATED, replace(SESSION, lines=[longest] * MAX_LINES))
    assert len(msgspec.json.encode(make_envelope(event, "order", telemetry.start_span()))) < MAX_EVENT_BYTES / 8

"""The transitions of a session, and the prices and codes of its basket."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nextbuy.contracts.errors import Conflict, Unprocessable
from nextbuy.contracts.order import Reason, SoldLine, reason_text
from nextbuy.contracts.product import Line, QuotedLine
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import MAX_QUANTITY, Money, Price, new_id
from nextbuy.order.model import (
    NOT_CLAIMED,
    PUBLIC_STATUS,
    TRANSITIONS,
    OrderDraft,
    Session,
    State,
    Transition,
    basket_total,
    merge_basket,
    order_code,
    payment_description,
    price_lines,
    source_states,
    split_by_shop,
    target_state,
)

SENTENCES = """
    created: nothing becomes opening
    opened: opening becomes open
    not opened: opening becomes failed
    payment failed: opening, open become failed
    declined: open becomes open
    expired: opening, open become expired
    cancelled: open becomes cancelled
    payment received: opening, open, failed, expired become paying
    wrong amount received: opening, open, failed, expired become refund-due
    stock committed: paying becomes paid
    sold out: paying becomes refund-due
    given up: paying, refund-due become given-up
    refunded: refund-due, given-up become refunded
    refunded early: opening, open, failed, expired become refunded
    refunded late: paid becomes refunded
"""

CODES = ["EYDH", "XWV2", "H0000", "H00000"]
"""Codes of the serials 1, 2, 2^20 and 2^25; buyers quote them for years."""


def test_transitions_are_those_of_the_sentences() -> None:
    expected = {}
    for line in SENTENCES.strip().splitlines():
        transition, _, rest = line.strip().partition(": ")
        sources, _, target = rest.replace(" becomes ", " become ").partition(" become ")
        expected[transition] = (() if sources == "nothing" else tuple(sources.split(", ")), target)
    assert expected == {
        transition.value: (tuple(map(str, sources)), str(target))
        for transition, (sources, target) in TRANSITIONS.items()
    }


def test_refunded_is_final_and_a_paid_session_can_only_be_refunded_by_the_provider() -> None:
    after = {state: [one for one in Transition if state in source_states(one)] for state in State}
    assert after[State.REFUNDED] == []
    assert after[State.PAID] == [Transition.REFUNDED_LATE]


def test_received_payment_always_ends_in_an_order_or_a_refund() -> None:
    final = {State.PAID, State.REFUNDED}
    reached = {target_state(Transition.PAYMENT_RECEIVED), target_state(Transition.WRONG_AMOUNT_RECEIVED)}
    while more := {target for sources, target in TRANSITIONS.values() if reached & set(sources)} - reached:
        reached |= more
    assert reached - final == {State.PAYING, State.REFUND_DUE, State.GIVEN_UP}
    assert all(any(state in source_states(transition) for transition in Transition) for state in reached - final)
    assert final <= reached


def test_buyer_sees_open_until_the_final_state() -> None:
    assert set(PUBLIC_STATUS) == set(State)
    assert {state for state in State if PUBLIC_STATUS[state] == "open"} == {
        State.OPENING,
        State.OPEN,
        State.PAYING,
        State.REFUND_DUE,
        State.GIVEN_UP,
    }


def test_lines_of_one_product_are_added_up_to_a_limit() -> None:
    mug, bowl = new_id(), new_id()
    assert merge_basket([Line(mug, 1), Line(bowl, 2), Line(mug, 3)]) == [Line(mug, 4), Line(bowl, 2)]
    with pytest.raises(Unprocessable):
        merge_basket([Line(mug, 1000), Line(mug, 1)])


def test_largest_quantity_is_accepted_and_an_empty_basket_stays_empty() -> None:
    most = Line(new_id(), MAX_QUANTITY)

    assert merge_basket([most]) == [most]
    assert merge_basket([]) == []


def test_priced_lines_keep_every_field_and_gain_their_seller() -> None:
    priced = QuotedLine(new_id(), new_id(), "Mug", 2, Price(150))
    shop = Shop(priced.shop_id, "S", "s", "", "c", "approved", new_id(), 1)

    assert price_lines([priced], [shop]) == [
        SoldLine(priced.product_id, priced.shop_id, "Mug", 2, Money(150), shop.seller_id)
    ]
    with pytest.raises(Conflict, match=r"^The shop that offers “Mug” is closed. Remove the product from your basket.$"):
        price_lines([priced], [])


def test_each_shop_gets_a_numbered_draft_of_its_lines() -> None:
    mug, bowl = line(), line()
    cup = replace(line(), shop_id=mug.shop_id, seller_id=mug.seller_id)
    session = Session(
        id=new_id(),
        buyer_id=new_id(),
        status=State.PAYING,
        total=Money(900),
        lines=[mug, bowl, cup],
        expires_at=NOT_CLAIMED,
        traceparent="",
        correlation_id="",
        serial=7,
    )

    assert split_by_shop(session) == [
        OrderDraft(f"NB-{order_code(7)}-1", mug.shop_id, mug.seller_id, [mug, cup]),
        OrderDraft(f"NB-{order_code(7)}-2", bowl.shop_id, bowl.seller_id, [bowl]),
    ]


def test_order_codes_stay_what_they_were() -> None:
    assert [order_code(serial) for serial in (1, 2, 2**20, 2**25)] == CODES


@given(st.integers(1, 2**30), st.integers(1, 2**30))
def test_order_codes_are_unique(one: int, other: int) -> None:
    assert (order_code(one) == order_code(other)) == (one == other)


def test_order_codes_are_short_and_hide_the_number_of_orders() -> None:
    codes = [order_code(serial) for serial in range(1, 2000)]
    assert len(set(codes)) == len(codes)
    assert {len(one) for one in codes} == {4}
    assert sum(one[:2] == other[:2] for one, other in pairwise(codes)) < 20
    assert len(order_code(2**20)) == 5
    assert not set("".join(codes)) & set("ILOU")


def line(currency: str = "USD") -> SoldLine:
    return SoldLine(new_id(), new_id(), "Mug", 2, Money(150, currency), new_id())


def test_basket_total_is_the_sum_of_lines_in_one_currency() -> None:
    assert basket_total([line(), line()]) == Money(600)
    with pytest.raises(Conflict) as error:
        basket_total([line(), line("EUR")])
    assert error.value.slug == "mixed-currencies"


def test_shop_that_is_missing_or_not_approved_is_closed() -> None:
    priced = QuotedLine(new_id(), new_id(), "Mug", 1, Price(1))
    shop = Shop(priced.shop_id, "S", "s", "", "c", "approved", new_id(), 1)
    suspended = Shop(priced.shop_id, "S", "s", "", "c", "suspended", new_id(), 1)
    assert price_lines([priced], [shop])[0].seller_id == shop.seller_id
    for shops in ([], [suspended]):
        with pytest.raises(Conflict) as error:
            price_lines([priced], shops)
        assert error.value.slug == "shop-closed"


def test_payment_description_names_the_first_line_and_counts_the_rest() -> None:
    assert payment_description([line()]) == "2 \N{MULTIPLICATION SIGN} Mug"
    assert payment_description([line(), line(), line()]) == "2 \N{MULTIPLICATION SIGN} Mug and 2 more"


def test_every_reason_has_a_sentence_and_the_providers_words_stay() -> None:
    assert all(reason_text(reason).endswith(".") for reason in Reason)
    assert reason_text("Your card has expired.") == "Your card has expired."

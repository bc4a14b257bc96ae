"""What a session can become."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.errors import Conflict, Unprocessable
from nextbuy.contracts.order import SoldLine
from nextbuy.contracts.product import Line, PricedLine
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import Money, new_id
from nextbuy.order.model import (
    SHOWN,
    TRANSITIONS,
    State,
    Transition,
    after,
    code,
    description,
    merged,
    sold,
    sources,
    total_of,
)

SENTENCES = """
    opened: opening becomes open
    not opened: opening becomes failed
    declined: opening, open become failed
    lapsed: opening, open become expired
    money came: opening, open, failed, expired become paying
    wrong money came: opening, open, failed, expired become refund-due
    goods taken: paying become paid
    goods gone: paying become refund-due
    money returned: refund-due become refunded
"""


def test_a_session_lives_as_these_sentences_say() -> None:
    said = {}
    for line in SENTENCES.strip().splitlines():
        happening, _, rest = line.strip().partition(": ")
        before, _, then = rest.replace(" becomes ", " become ").partition(" become ")
        said[happening] = (tuple(before.split(", ")), then)
    assert said == {name.value: (tuple(map(str, before)), str(then)) for name, (before, then) in TRANSITIONS.items()}


@pytest.mark.parametrize("state", [State.PAID, State.REFUNDED])
def test_a_session_that_is_paid_or_refunded_stays_so(state: State) -> None:
    assert not [happening for happening in Transition if state in sources(happening)]


def test_money_always_ends_in_goods_or_a_refund() -> None:
    ends = {State.PAID, State.REFUNDED}
    reached = {after(Transition.MONEY_CAME), after(Transition.WRONG_MONEY_CAME)}
    while more := {then for before, then in TRANSITIONS.values() if reached & set(before)} - reached:
        reached |= more
    assert reached - ends == {State.PAYING, State.REFUND_DUE}
    assert all(any(state in sources(happening) for happening in Transition) for state in reached - ends)
    assert ends <= reached


def test_a_buyer_is_told_an_end_only_when_it_is_one() -> None:
    assert set(SHOWN) == set(State)
    assert {state for state in State if SHOWN[state] == "open"} == {
        State.OPENING,
        State.OPEN,
        State.PAYING,
        State.REFUND_DUE,
    }


def test_the_units_of_a_product_named_twice_are_added_up() -> None:
    mug, bowl = new_id(), new_id()
    assert merged([Line(mug, 1), Line(bowl, 2), Line(mug, 3)]) == [Line(mug, 4), Line(bowl, 2)]
    with pytest.raises(Unprocessable):
        merged([Line(mug, 1000), Line(mug, 1)])


@given(st.integers(1, 2**30), st.integers(1, 2**30))
def test_no_two_sessions_have_the_same_code(one: int, other: int) -> None:
    assert (code(one) == code(other)) == (one == other)


def test_codes_are_short_and_do_not_tell_how_many_there_are() -> None:
    codes = [code(serial) for serial in range(1, 2000)]
    assert len(set(codes)) == len(codes)
    assert {len(one) for one in codes} == {4}
    assert sum(one[:2] == other[:2] for one, other in pairwise(codes)) < 20
    assert len(code(2**20)) == 5
    assert not set("".join(codes)) & set("ILOU")


def line(currency: str = "USD") -> SoldLine:
    return SoldLine(new_id(), new_id(), "Mug", 2, Money(150, currency), new_id())


def test_a_basket_comes_to_the_sum_of_its_lines_in_one_currency() -> None:
    assert total_of([line(), line()]) == Money(600)
    with pytest.raises(Conflict) as refusal:
        total_of([line(), line("EUR")])
    assert refusal.value.slug == "mixed-currencies"


def test_a_shop_that_is_not_there_is_closed() -> None:
    priced = PricedLine(new_id(), new_id(), "Mug", 1, Money(1))
    shop = Shop(priced.shop_id, "S", "s", "", "c", "approved", new_id(), 1)
    asked = [Line(priced.product_id, 1)]
    assert sold(asked, [priced], [shop])[0].seller_id == shop.seller_id
    with pytest.raises(Conflict):
        sold(asked, [priced], [])


def test_a_payment_is_described_in_a_few_words() -> None:
    assert description([line()]) == "2 x Mug"
    assert description([line(), line(), line()]) == "2 x Mug and 2 more"

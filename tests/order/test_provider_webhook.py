"""A webhook is read strictly in the fields that a checkout needs, and leniently in all others."""

import pytest

from nextbuy.contracts.errors import BadRequest
from nextbuy.contracts.values import Money
from nextbuy.order.provider_webhook import decode_webhook


def event(paid: str) -> bytes:
    object_ = f'{{"id": "pay_1", "payment_status": "paid", {paid}}}'
    return f'{{"id": "evt_1", "type": "checkout.session.completed", "data": {{"object": {object_}}}}}'.encode()


@pytest.mark.parametrize("amount", ["1000", "1000.0", "1e3"])
def test_amount_without_fraction_is_an_integer(amount: str) -> None:
    assert decode_webhook(event(f'"amount_total": {amount}, "currency": "usd"')).money == Money(1_000, "USD")


@pytest.mark.parametrize(
    "paid",
    [
        '"amount_total": 1000, "amount_total": 1, "currency": "usd"',
        '"amount_total": 1000, "amount_tot\\u0061l": 1000, "currency": "usd"',
        '"amount_total": 1e400, "currency": "usd"',
        '"amount_total": NaN, "currency": "usd"',
        '"amount_total": 10.5, "currency": "usd"',
        '"amount_total": "1000", "currency": "usd"',
        '"amount_total": 1000, "currency": "u1"',
    ],
)
def test_ambiguous_payment_is_refused_with_the_field(paid: str) -> None:
    with pytest.raises(BadRequest, match=r"^Invalid event: (amount_total|currency): [A-Z][^`]+\.$"):
        decode_webhook(event(paid))


def test_fields_that_are_not_read_may_be_anything() -> None:
    other = '"fee": 1.5, "fee": 1e400, "tax": NaN, "metadata": {"note": 1, "note": 2}, "lines": [{"a": 1, "a": 1}]'
    read = decode_webhook(event(f'"amount_total": 1000, "currency": "usd", {other}'))
    assert (read.payment_id, read.money) == ("pay_1", Money(1_000, "USD"))

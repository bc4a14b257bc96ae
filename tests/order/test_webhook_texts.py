"""Texts for people in webhooks of the provider: they decide nothing, whatever they are."""

import json

import pytest
from msgspec.json import encode

from nextbuy.contracts.order import Reason
from nextbuy.order.payment_webhook import payment_webhook
from nextbuy.order.provider_webhook import decode_webhook
from tests.callers import caller
from tests.order.market import Market
from tests.outbox import data, published


@pytest.mark.parametrize(
    ("text", "published_text"),
    [
        ("x" * 1_001, "x" * 1_000),
        ("é" * 100_000, "é" * 1_000),
        ("\U0001f600" * 1_001, "\U0001f600" * 1_000),
        ("No funds \ud83d", "No funds \ufffd"),
        ("\udc00\\ud83d \U0001f600\ud83d\ud83d", "\ufffd\\ud83d \U0001f600\ufffd\ufffd"),
        ("\0 No\x01 funds\n", "No funds"),
        *((value, Reason.DECLINED) for value in ("", " \0\n", None, 5, ["x"], {"text": "x"}, True)),
    ],
    ids=range(13),
)
async def test_text_of_a_decline_decides_nothing(market: Market, text: object, published_text: str) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    kind = "checkout.session.async_payment_failed"

    event = market.provider_event(kind, session.session_id, last_payment_error={"message": text, "code": text})
    assert (await market.deliver(event)).status == 200

    assert await market.status(session.session_id) == "failed"
    assert data((await published(market.database))[2])["reason"] == published_text


@pytest.mark.parametrize("failure", ["Your card was declined.", None, [], 5, {}])
async def test_decline_with_a_failure_of_another_shape_is_a_decline(market: Market, failure: object) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))

    await market.deliver(
        market.provider_event("checkout.session.async_payment_failed", session.session_id, last_payment_error=failure)
    )

    assert await market.status(session.session_id) == "failed"


@pytest.mark.parametrize("text", ["\ud83d", "x" * 100_000, "\0\x01", "\ufffe", 5, None, ["x"], {"x": "\udc00"}])
async def test_no_other_text_of_a_payment_decides_anything(market: Market, text: object) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    texts = ("description", "statement_descriptor", "customer_details", "receipt_email")

    event = market.paid_event(session, **dict.fromkeys(texts, text))
    event["request"] = text

    assert (await market.deliver(event)).status == 200
    assert await market.status(session.session_id) == "paid"
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_text_that_is_not_utf_8_is_read_with_replacements(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    event = market.provider_event(
        "checkout.session.async_payment_failed", session.session_id, last_payment_error={"message": "No funds"}
    )

    body = json.dumps(event).encode().replace(b"No funds", b"Pas de cr\xe9dit")
    assert (await payment_webhook(market.deps, caller(None), market.signed_body(body))).status == 200

    assert data((await published(market.database))[2])["reason"] == "Pas de cr\ufffddit"


ODD_FIELDS: list[dict[str, object]] = [
    {"currency": "usdc"},
    {"currency": 5},
    {"amount_total": -1},
    {"payment_status": 5},
    {"metadata": []},
    {"payment_intent": ""},
]


@pytest.mark.parametrize("fields", ODD_FIELDS, ids=str)
async def test_decline_needs_no_field_but_the_session(market: Market, fields: dict[str, object]) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))

    await market.deliver(market.provider_event("checkout.session.async_payment_failed", session.session_id, **fields))

    assert await market.status(session.session_id) == "failed"


@pytest.mark.parametrize(
    ("text", "shown"), [("a\u0007b\u202ec\0d", "a b c d"), ("\u200b", "declined"), ("No funds", "No funds")]
)
def test_text_of_a_decline_is_clean(text: str, shown: str) -> None:
    failure = {"id": "pi_1", "last_payment_error": {"message": text}}
    body = encode({"id": "evt_1", "type": "checkout.session.async_payment_failed", "data": {"object": failure}})

    assert decode_webhook(body).reason == shown

"""Paying on the simulator's page, and by a program in a person's place."""

import asyncio
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable, WrongMediaType
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.kit.wire import Request, Response
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.expire_payments import expire_payments
from nextbuy.simulator.pay import pay
from nextbuy.simulator.payment_page import payment_page
from nextbuy.simulator.refund_payment import refund_payment
from tests.callers import caller
from tests.simulator.conftest import Turning

GOOD, BAD = "4242 4242 4242 4242", "4000000000000002"


def path(payment_id: str) -> str:
    return f"/simulator/api/pay/{payment_id}"


async def by_json(deps: Deps, payment_id: str, card: object) -> Response:
    body = json.dumps({"card_number": card}).encode()
    request = Request("POST", path(payment_id), "", {"content-type": "application/json"}, body)
    return await pay(deps, caller(None), request)


async def by_form(deps: Deps, payment_id: str, card: str) -> Response:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = urlencode({"card_number": card}).encode()
    return await pay(deps, caller(None), Request("POST", path(payment_id), "", headers, body))


async def seen(deps: Deps, payment_id: str) -> tuple[int, str]:
    answer = await payment_page(deps, caller(None), Request("GET", path(payment_id), "", {}))
    assert answer.content_type.startswith("text/html")
    assert dict(answer.headers)["content-security-policy"].startswith("default-src 'none'")
    return answer.status, answer.body.decode()


async def told(deps: Deps) -> list[str]:
    return [row["type"] for row in await deps.database.fetch("SELECT type FROM deliveries ORDER BY created_at")]


async def test_the_page_says_what_is_paid_for_and_believes_no_word_of_it(deps: Deps, payment_id: str) -> None:
    status, html = await seen(deps, payment_id)
    assert status == 200
    assert "$19.99" in html
    assert "&lt;b&gt;&#34;Mug&#34;&lt;/b&gt;" in html
    assert "<script" not in html
    assert "4242 4242 4242 4242" in html


async def test_a_good_card_pays_once_however_often_it_is_sent(deps: Deps, payment_id: str) -> None:
    answers = await asyncio.gather(*(by_json(deps, payment_id, GOOD) for _ in range(20)))
    assert {json.loads(answer.body)["status"] for answer in answers} == {"paid"}
    assert await told(deps) == ["checkout.session.completed"]
    assert "Paid" in (await seen(deps, payment_id))[1]


async def test_a_declined_payment_stays_declined(deps: Deps, payment_id: str) -> None:
    for card in (BAD, GOOD):
        answer = json.loads((await by_json(deps, payment_id, card)).body)
        assert (answer["status"], answer["payment_id"]) == ("declined", payment_id)
    assert await told(deps) == ["payment_intent.payment_failed"]


async def test_a_form_is_answered_with_the_page_that_shows_what_came_of_it(deps: Deps, payment_id: str) -> None:
    refused = await by_form(deps, payment_id, '1234"><script>')
    assert (refused.status, refused.content_type) == (422, "text/html; charset=utf-8")
    assert "not a test card" in refused.body.decode()
    assert "<script" not in refused.body.decode()
    answer = await by_form(deps, payment_id, GOOD)
    assert answer.status == 303
    assert dict(answer.headers)["location"].endswith(path(payment_id))
    assert (await by_form(deps, payment_id, GOOD)).status == 303
    assert await told(deps) == ["checkout.session.completed"]


@pytest.mark.parametrize("card", ["", "4242", "\uff14\uff12\uff14\uff12424242424242", 4242424242424242, None])
async def test_anything_but_a_test_card_is_unreadable(deps: Deps, payment_id: str, card: object) -> None:
    with pytest.raises(Unprocessable):
        await by_json(deps, payment_id, card)
    assert await told(deps) == []


async def test_neither_text_nor_nonsense_pays(deps: Deps, payment_id: str) -> None:
    with pytest.raises(WrongMediaType):
        await pay(deps, caller(None), Request("POST", path(payment_id), "", {"content-type": "text/plain"}, b"x"))
    with pytest.raises(Unprocessable):
        await pay(deps, caller(None), Request("POST", path(payment_id), "", {}, b"\xff{"))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await pay(deps, caller(None), Request("POST", path(payment_id), "", headers, b"\xff&" * 50))
    assert answer.status == 422


@pytest.mark.parametrize("payment", ["pay_" + "0" * 32, "pay_1", "", "\0", "pay_" + "0" * 31 + "é"])
async def test_a_payment_that_is_not_there_is_not_found(deps: Deps, payment: str) -> None:
    with pytest.raises(NotFound):
        await by_json(deps, payment, GOOD)
    assert (await by_form(deps, payment, GOOD)).status == 404
    assert (await seen(deps, payment))[0] == 404


async def test_a_payment_is_over_when_its_time_is_and_the_shop_is_told(
    deps: Deps, payment_id: str, clock: Turning
) -> None:
    clock.ahead = timedelta(minutes=31)
    assert "Too late" in (await seen(deps, payment_id))[1]
    for _ in range(2):
        with pytest.raises(Conflict) as refusal:
            await by_json(deps, payment_id, GOOD)
        assert refusal.value.slug == "payment-expired"
        assert (await by_form(deps, payment_id, GOOD)).status == 409
        await expire_payments(deps)
    assert await told(deps) == ["checkout.session.expired"]


async def test_a_refund_is_made_once_and_told(deps: Deps, payment_id: str) -> None:
    await by_json(deps, payment_id, GOOD)
    refund = RefundPayment(payment_id=payment_id, reason="sold out")
    returned = await asyncio.gather(*(refund_payment(deps, refund) for _ in range(10)))
    assert len({answer.refund_id for answer in returned}) == 1
    assert await told(deps) == ["checkout.session.completed", "charge.refunded"]
    assert "Given back" in (await seen(deps, payment_id))[1]
    with pytest.raises(NotFound):
        await refund_payment(deps, RefundPayment(payment_id="pay_unknown", reason="x"))


async def test_a_payment_that_was_called_off_can_be_made_no_more(deps: Deps, payment_id: str) -> None:
    await refund_payment(deps, RefundPayment(payment_id=payment_id, reason="sold out"))
    with pytest.raises(Conflict) as refusal:
        await by_json(deps, payment_id, GOOD)
    assert refusal.value.slug == "payment-refunded"
    assert await told(deps) == []


async def test_the_page_leads_back_to_where_the_shop_said(deps: Deps, payment_id: str) -> None:
    assert '<a href="http://shop.test/session/1">' in (await seen(deps, payment_id))[1]
    status, nothing = await seen(deps, f"pay_{'0' * 32}")
    assert status == 404
    assert f'<a href="{deps.settings.public_url}/">' in nothing

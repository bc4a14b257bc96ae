"""Payments with test cards, by form and by JSON, and their refunds."""

import asyncio
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable, WrongMediaType
from nextbuy.contracts.simulator import ClosePayment, PaymentClosed, RefundPayment
from nextbuy.kit.wire import Request, Response
from nextbuy.simulator.close_payment import close_payment
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.expire_payments import expire_payments
from nextbuy.simulator.model import MAX_DECLINES
from nextbuy.simulator.pay import pay
from nextbuy.simulator.payment_page import payment_page
from nextbuy.simulator.refund_payment import refund_payment
from tests.callers import caller
from tests.simulator.conftest import FakeClock

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


async def get_page(deps: Deps, payment_id: str) -> tuple[int, str]:
    response = await payment_page(deps, caller(None), Request("GET", path(payment_id), "", {}))
    assert response.content_type.startswith("text/html")
    assert dict(response.headers)["content-security-policy"].startswith("default-src 'none'")
    return response.status, response.body.decode()


async def webhook_types(deps: Deps) -> list[str]:
    return [row["type"] for row in await deps.database.fetch("SELECT type FROM webhooks ORDER BY created_at")]


async def test_page_shows_amount_and_escapes_the_description(deps: Deps, payment_id: str) -> None:
    status, html = await get_page(deps, payment_id)
    assert status == 200
    assert "$19.99" in html
    assert "&lt;b&gt;&#34;Mug&#34;&lt;/b&gt;" in html
    assert "<script" not in html
    assert "4242 4242 4242 4242" in html


async def test_good_card_pays_once_in_concurrent_requests(deps: Deps, payment_id: str) -> None:
    responses = await asyncio.gather(*(by_json(deps, payment_id, GOOD) for _ in range(20)))
    assert {json.loads(response.body)["status"] for response in responses} == {"paid"}
    assert await webhook_types(deps) == ["checkout.session.completed"]
    assert "Paid" in (await get_page(deps, payment_id))[1]


async def test_payment_takes_the_next_card_after_a_declined_one(deps: Deps, payment_id: str) -> None:
    outcomes = []
    for card in (BAD, BAD, GOOD, BAD):
        response = json.loads((await by_json(deps, payment_id, card)).body)
        outcomes.append(response["status"])
        assert response["payment_id"] == payment_id
    assert outcomes == ["declined", "declined", "paid", "paid"]
    assert await webhook_types(deps) == [*["payment_intent.payment_failed"] * 2, "checkout.session.completed"]


async def test_page_of_a_declined_payment_asks_for_another_card(deps: Deps, payment_id: str) -> None:
    assert (await by_form(deps, payment_id, BAD)).status == 303
    html = (await get_page(deps, payment_id))[1]
    assert "Your card was declined and not charged. Try another card." in html
    assert 'name="card_number"' in html


async def test_payment_takes_a_bounded_number_of_declined_cards(deps: Deps, payment_id: str) -> None:
    for _ in range(MAX_DECLINES):
        await by_json(deps, payment_id, BAD)
    with pytest.raises(Conflict) as error:
        await by_json(deps, payment_id, GOOD)
    assert error.value.slug == "too-many-declines"
    assert len(await webhook_types(deps)) == MAX_DECLINES


async def test_form_is_responseed_with_the_page_of_the_outcome(deps: Deps, payment_id: str) -> None:
    refused = await by_form(deps, payment_id, '1234"><script>')
    assert (refused.status, refused.content_type) == (422, "text/html; charset=utf-8")
    assert "not a test card" in refused.body.decode()
    assert "<script" not in refused.body.decode()
    response = await by_form(deps, payment_id, GOOD)
    assert response.status == 303
    assert dict(response.headers)["location"].endswith(path(payment_id))
    assert (await by_form(deps, payment_id, GOOD)).status == 303
    assert await webhook_types(deps) == ["checkout.session.completed"]


@pytest.mark.parametrize("card", ["", "4242", "\uff14\uff12\uff14\uff12424242424242", 4242424242424242, None])
async def test_card_that_is_not_a_test_card_is_unprocessable(deps: Deps, payment_id: str, card: object) -> None:
    with pytest.raises(Unprocessable):
        await by_json(deps, payment_id, card)
    assert await webhook_types(deps) == []


async def test_invalid_bodies_are_refused(deps: Deps, payment_id: str) -> None:
    with pytest.raises(WrongMediaType):
        await pay(deps, caller(None), Request("POST", path(payment_id), "", {"content-type": "text/plain"}, b"x"))
    with pytest.raises(Unprocessable):
        await pay(deps, caller(None), Request("POST", path(payment_id), "", {}, b"\xff{"))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await pay(deps, caller(None), Request("POST", path(payment_id), "", headers, b"\xff&" * 50))
    assert response.status == 422


@pytest.mark.parametrize("payment", ["pay_" + "0" * 32, "pay_1", "", "\0", "pay_" + "0" * 31 + "é"])
async def test_unknown_payment_is_not_found(deps: Deps, payment: str) -> None:
    with pytest.raises(NotFound):
        await by_json(deps, payment, GOOD)
    assert (await by_form(deps, payment, GOOD)).status == 404
    assert (await get_page(deps, payment))[0] == 404


async def test_overdue_payment_expires_and_is_reported(deps: Deps, payment_id: str, clock: FakeClock) -> None:
    clock.ahead = timedelta(minutes=31)
    assert "Expired" in (await get_page(deps, payment_id))[1]
    for _ in range(2):
        with pytest.raises(Conflict) as error:
            await by_json(deps, payment_id, GOOD)
        assert error.value.slug == "payment-expired"
        assert (await by_form(deps, payment_id, GOOD)).status == 409
        await expire_payments(deps)
    assert await webhook_types(deps) == ["checkout.session.expired"]


async def test_refund_is_made_and_reported_once(deps: Deps, payment_id: str) -> None:
    await by_json(deps, payment_id, GOOD)
    refund = RefundPayment(payment_id=payment_id, reason="sold-out")
    refunds = await asyncio.gather(*(refund_payment(deps, refund) for _ in range(10)))
    assert len({one.refund_id for one in refunds}) == 1
    assert await webhook_types(deps) == ["checkout.session.completed", "charge.refunded"]
    assert "Refunded" in (await get_page(deps, payment_id))[1]
    with pytest.raises(NotFound):
        await refund_payment(deps, RefundPayment(payment_id="pay_unknown", reason="x"))


async def test_cancelled_payment_cannot_be_paid(deps: Deps, payment_id: str) -> None:
    await refund_payment(deps, RefundPayment(payment_id=payment_id, reason="sold-out"))
    with pytest.raises(Conflict) as error:
        await by_json(deps, payment_id, GOOD)
    assert error.value.slug == "payment-refunded"
    assert await webhook_types(deps) == []


async def test_closed_payment_cannot_be_paid_and_is_not_reported(deps: Deps, payment_id: str) -> None:
    for _ in range(2):
        assert await close_payment(deps, ClosePayment(payment_id=payment_id)) == PaymentClosed(payment_id, paid=False)
    with pytest.raises(Conflict) as error:
        await by_json(deps, payment_id, GOOD)
    assert error.value.slug == "payment-cancelled"
    assert (await by_form(deps, payment_id, GOOD)).status == 409
    assert "Cancelled" in (await get_page(deps, payment_id))[1]
    assert await webhook_types(deps) == []


async def test_payment_is_either_paid_or_closed(deps: Deps, payment_id: str) -> None:
    closed, paid = await asyncio.gather(
        close_payment(deps, ClosePayment(payment_id=payment_id)),
        by_json(deps, payment_id, GOOD),
        return_exceptions=True,
    )
    assert isinstance(closed, PaymentClosed)
    assert closed.paid != isinstance(paid, Conflict)


async def test_paid_payment_stays_paid_when_it_is_closed(deps: Deps, payment_id: str) -> None:
    await by_json(deps, payment_id, GOOD)
    assert (await close_payment(deps, ClosePayment(payment_id=payment_id))).paid
    assert await webhook_types(deps) == ["checkout.session.completed"]
    with pytest.raises(NotFound):
        await close_payment(deps, ClosePayment(payment_id="pay_unknown"))


async def test_page_links_to_the_return_url_or_to_the_shop(deps: Deps, payment_id: str) -> None:
    assert '<a href="http://shop.test/session/1">' in (await get_page(deps, payment_id))[1]
    status, nothing = await get_page(deps, f"pay_{'0' * 32}")
    assert status == 404
    assert f'<a href="{deps.settings.public_url}/">' in nothing

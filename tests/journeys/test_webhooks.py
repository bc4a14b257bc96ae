"""What the payment provider says: a hundred times, late, in the wrong order, wrongly signed, about other money."""

import asyncio
import time
from typing import Any

import pytest

from tests.journeys.people import (
    BAD_CARD,
    Json,
    Person,
    Town,
    declined_event,
    expired_event,
    new_trace,
    paid_event,
    payment_of,
)
from tests.journeys.shapes import is_problem
from tests.waiting import until


async def units(town: Town, product: Json) -> tuple[int, int, int]:
    """In stock, held, sold."""
    (row,) = await town.market.rows("product", "SELECT stock, held, sold FROM products WHERE id = $1", product["id"])
    return row["stock"], row["held"], row["sold"]


async def created_events(town: Town, session: Json) -> list[Any]:
    """The `order.created` events of a session."""
    rows = await town.market.rows(
        "order",
        "SELECT event_id FROM event_log WHERE topic = 'order.created'"
        " AND envelope::jsonb -> 'data' ->> 'session_id' = $1",
        session["session_id"],
    )
    return [row["event_id"] for row in rows]


async def notified(town: Town, events: list[Any]) -> int:
    """How many notifications there are of some events."""
    rows = await town.market.rows(
        "admin", "SELECT count(*) AS n FROM notifications WHERE source_event_id = ANY($1)", events
    )
    return int(rows[0]["n"])


async def a_session(town: Town, *, stock: int = 5, quantity: int = 2) -> tuple[Person, Json, Json]:
    """A buyer, a product, and an open session for it."""
    buyer, product = await town.buyer(), await town.product(stock=stock)
    return buyer, product, await town.session(buyer, [(product, quantity)])


async def test_the_same_webhook_a_hundred_times_at_once_makes_one_order_per_shop(town: Town) -> None:
    buyer = await town.buyer()
    bowl, book = await town.product(stock=5), await town.product(stock=5)
    session = await town.session(buyer, [(bowl, 2), (book, 1)])
    event = paid_event(session)
    answers = await asyncio.gather(*(town.webhook(event) for _ in range(100)))
    assert {answer.status for answer in answers} == {200}
    paid = await town.until_it_is("paid", buyer, session)
    assert len(paid["order_ids"]) == 2
    assert {order["shop_id"] for order in await town.items("/order/api/user-orders", buyer)} == {
        bowl["shop_id"],
        book["shop_id"],
    }
    assert (await units(town, bowl), await units(town, book)) == ((3, 0, 2), (4, 0, 1))
    events = await created_events(town, session)
    assert len(events) == 2

    async def both_are_told() -> bool:
        return await notified(town, events) == 2

    await until(both_are_told, "one notification of each order")
    again = await town.webhook(event)
    assert again.status == 200
    assert (await units(town, bowl), await created_events(town, session)) == ((3, 0, 2), events)
    assert await notified(town, events) == 2


@pytest.mark.parametrize("fault", ["another body", "another secret", "no signature", "too old", "not yet", "two times"])
async def test_a_webhook_that_is_not_rightly_signed_changes_nothing(town: Town, fault: str) -> None:
    buyer, product, session = await a_session(town)
    event = paid_event(session)
    now = time.time()
    good = town.market.signed(b"{}", at=now)
    headers: dict[str, str] | None = {
        "another body": good,
        "another secret": {"Stripe-Signature": f"t={int(now)},v1={'0' * 64}"},
        "no signature": {"Content-Type": "application/json"},
        "two times": {"Stripe-Signature": f"t={int(now)},{good['Stripe-Signature']}"},
    }.get(fault)
    at = {"too old": now - 400, "not yet": now + 400}.get(fault)
    is_problem(await town.webhook(event, at=at, headers=headers), 400, "bad-signature")
    assert (await town.state(buyer, session))["status"] == "open"
    assert await units(town, product) == (3, 2, 0)


async def test_webhooks_in_the_wrong_order_end_where_the_money_is(town: Town) -> None:
    buyer, product, session = await a_session(town)
    declined, paid, expired = declined_event(session), paid_event(session), expired_event(session)
    assert (await town.webhook(paid)).status == 200
    for late in (declined, expired, paid, declined):
        assert (await town.webhook(late)).status == 200
    assert (await town.state(buyer, session))["status"] == "paid"
    assert await units(town, product) == (3, 0, 2)

    buyer, product, session = await a_session(town)
    assert (await town.webhook(declined_event(session))).status == 200
    assert (await town.state(buyer, session))["status"] == "failed"
    assert await units(town, product) == (5, 0, 0)
    assert (await town.webhook(paid_event(session))).status == 200
    await town.until_it_is("paid", buyer, session)
    assert await units(town, product) == (3, 0, 2)


async def test_a_replay_of_an_old_webhook_changes_nothing(town: Town) -> None:
    buyer, product, session = await a_session(town)
    declined = declined_event(session)
    assert (await town.webhook(declined)).status == 200
    second = await town.session(buyer, [(product, 2)])
    assert (await town.webhook(declined)).status == 200
    assert (await town.state(buyer, second))["status"] == "open"
    assert await units(town, product) == (3, 2, 0)


async def test_money_after_the_end_gets_its_goods_or_goes_back(town: Town) -> None:
    buyer, product, session = await a_session(town, stock=2)
    assert (await town.webhook(expired_event(session))).status == 200
    assert (await town.state(buyer, session))["status"] == "expired"
    other = await town.session(buyer, [(product, 2)])
    assert (await town.webhook(paid_event(session))).status == 200
    await town.until_it_is("refunded", buyer, session)
    assert await units(town, product) == (0, 2, 0)
    assert await created_events(town, session) == []
    payments = await town.market.rows(
        "simulator", "SELECT status, refund_id FROM payments WHERE id = $1", payment_of(session)
    )
    assert payments[0]["status"] == "refunded"
    assert payments[0]["refund_id"]
    assert (await town.pay(other)).said["status"] == "paid"
    await town.until_it_is("paid", buyer, other)
    assert await units(town, product) == (0, 0, 2)


@pytest.mark.parametrize("less", [1, -1])
async def test_another_amount_than_the_session_s_goes_back(town: Town, less: int) -> None:
    buyer, product, session = await a_session(town)
    assert (await town.webhook(paid_event(session, amount=session["total"]["amount"] - less))).status == 200
    await town.until_it_is("refunded", buyer, session)

    async def given_back() -> bool:
        return await units(town, product) == (5, 0, 0)

    await until(given_back, "what was held is given back")


async def test_a_second_payment_for_the_same_session_goes_back(town: Town) -> None:
    buyer, product, session = await a_session(town)
    other = await town.session(buyer, [(product, 1)])
    assert (await town.pay(session)).said["status"] == "paid"
    await town.until_it_is("paid", buyer, session)
    twice = paid_event(session, payment_id=payment_of(other))
    assert (await town.webhook(twice)).status == 200

    async def went_back() -> bool:
        rows = await town.market.rows(
            "order", "SELECT refund_id FROM stray_payments WHERE payment_id = $1", payment_of(other)
        )
        return bool(rows and rows[0]["refund_id"])

    await until(went_back, "the second payment goes back")
    assert (await town.state(buyer, session))["status"] == "paid"


async def test_a_card_is_declined_and_the_page_says_so_again(town: Town) -> None:
    buyer, product, session = await a_session(town)
    first = await town.pay(session, BAD_CARD, headers=new_trace())
    assert (first.status, first.said["status"]) == (200, "declined")
    assert (await town.pay(session)).said["status"] == "declined"
    await town.until_it_is("failed", buyer, session)
    is_problem(await town.pay(session, "1234"), 422)

    async def given_back() -> bool:
        return await units(town, product) == (5, 0, 0)

    await until(given_back, "what was held is given back")

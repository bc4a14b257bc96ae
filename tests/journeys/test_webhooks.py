"""Webhooks of the payment provider: repeated, late, out of order, badly signed, with a wrong amount."""

import asyncio
import time
from typing import Any

import pytest

from tests.journeys.assertions import assert_problem
from tests.journeys.journey_client import (
    BAD_CARD,
    JourneyClient,
    Json,
    Person,
    declined_event,
    expired_event,
    failed_event,
    paid_event,
    payment_of,
    refunded_event,
    trace_headers,
)
from tests.waiting import until


async def units(client: JourneyClient, product: Json) -> tuple[int, int, int]:
    """Return stock, held and sold of a product."""
    (row,) = await client.market.rows("product", "SELECT stock, held, sold FROM products WHERE id = $1", product["id"])
    return row["stock"], row["held"], row["sold"]


async def created_events(client: JourneyClient, session: Json) -> list[Any]:
    """Return the ids of the `order.created` events of a session."""
    rows = await client.market.rows(
        "order",
        "SELECT event_id FROM event_log WHERE topic = 'order.created'"
        " AND envelope::jsonb -> 'data' ->> 'session_id' = $1",
        session["session_id"],
    )
    return [row["event_id"] for row in rows]


async def notified(client: JourneyClient, events: list[Any]) -> int:
    """Return the number of notifications of these events."""
    rows = await client.market.rows(
        "admin", "SELECT count(*) AS n FROM notifications WHERE source_event_id = ANY($1)", events
    )
    return int(rows[0]["n"])


async def new_session(client: JourneyClient, *, stock: int = 5, quantity: int = 2) -> tuple[Person, Json, Json]:
    """Create a buyer, a product and an open session for it."""
    buyer, product = await client.new_buyer(), await client.new_product(stock=stock)
    return buyer, product, await client.open_session(buyer, [(product, quantity)])


async def test_hundred_concurrent_webhooks_create_one_order_per_shop(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    bowl, book = await client.new_product(stock=5), await client.new_product(stock=5)
    session = await client.open_session(buyer, [(bowl, 2), (book, 1)])
    event = paid_event(session)
    responses = await asyncio.gather(*(client.webhook(event) for _ in range(100)))
    assert {response.status for response in responses} == {200}
    paid = await client.wait_for_status("paid", buyer, session)
    assert len(paid["order_ids"]) == 2
    assert {order["shop_id"] for order in await client.list_all("/order/api/user-orders", buyer)} == {
        bowl["shop_id"],
        book["shop_id"],
    }
    assert (await units(client, bowl), await units(client, book)) == ((3, 0, 2), (4, 0, 1))
    events = await created_events(client, session)
    assert len(events) == 2

    async def both_are_notified() -> bool:
        return await notified(client, events) == 2

    await until(both_are_notified, "one notification of each order")
    again = await client.webhook(event)
    assert again.status == 200
    assert (await units(client, bowl), await created_events(client, session)) == ((3, 0, 2), events)
    assert await notified(client, events) == 2


@pytest.mark.parametrize("fault", ["another body", "another secret", "no signature", "too old", "not yet", "two times"])
async def test_webhook_with_bad_signature_changes_nothing(client: JourneyClient, fault: str) -> None:
    buyer, product, session = await new_session(client)
    event = paid_event(session)
    now = time.time()
    good = client.market.signed(b"{}", at=now)
    headers: dict[str, str] | None = {
        "another body": good,
        "another secret": {"Stripe-Signature": f"t={int(now)},v1={'0' * 64}"},
        "no signature": {"Content-Type": "application/json"},
        "two times": {"Stripe-Signature": f"t={int(now)},{good['Stripe-Signature']}"},
    }.get(fault)
    at = {"too old": now - 400, "not yet": now + 400}.get(fault)
    assert_problem(await client.webhook(event, at=at, headers=headers), 400, "invalid-signature")
    assert (await client.get_session(buyer, session))["status"] == "open"
    assert await units(client, product) == (3, 2, 0)


async def test_webhooks_out_of_order_follow_the_money(client: JourneyClient) -> None:
    buyer, product, session = await new_session(client)
    declined, paid, expired = declined_event(session), paid_event(session), expired_event(session)
    assert (await client.webhook(paid)).status == 200
    for late in (declined, expired, paid, declined):
        assert (await client.webhook(late)).status == 200
    assert (await client.get_session(buyer, session))["status"] == "paid"
    assert await units(client, product) == (3, 0, 2)

    buyer, product, session = await new_session(client)
    assert (await client.webhook(declined_event(session))).status == 200
    assert (await client.get_session(buyer, session))["status"] == "open"
    assert (await client.webhook(failed_event(session))).status == 200
    assert (await client.get_session(buyer, session))["status"] == "failed"
    assert await units(client, product) == (5, 0, 0)
    assert (await client.webhook(paid_event(session))).status == 200
    await client.wait_for_status("paid", buyer, session)
    assert await units(client, product) == (3, 0, 2)


async def test_refund_by_the_provider_ends_an_order_only_in_full_and_people_are_notified(client: JourneyClient) -> None:
    seller, buyer = await client.new_seller(), await client.new_buyer()
    product = await client.new_product(seller, stock=5)
    session = await client.open_session(buyer, [(product, 2)])
    assert (await client.webhook(paid_event(session))).status == 200
    [order_id] = (await client.wait_for_status("paid", buyer, session))["order_ids"]

    assert (await client.webhook(refunded_event(session, 1))).status == 200
    order = (await client.get(f"/order/api/order-details/{order_id}", buyer))["order"]
    assert ((await client.get_session(buyer, session))["status"], order["status"]) == ("paid", "paid")
    assert (await client.webhook(refunded_event(session, session["total"]["amount"]))).status == 200
    order = (await client.get(f"/order/api/order-details/{order_id}", seller))["order"]
    assert ((await client.get_session(buyer, session))["status"], order["status"]) == ("refunded", "refunded")
    assert await units(client, product) == (3, 0, 2)

    async def all_are_notified() -> bool:
        kinds = {
            (who, note["kind"])
            for who, path, person in (
                ("buyer", "notification", buyer),
                ("seller", "notification", seller),
                ("admin", "admin", await client.admin()),
            )
            for note in (await client.get(f"/{path}/api/notifications", person))["items"]
            if order["number"] in note["title"] or payment_of(session) in note["message"]
        }
        return kinds >= {
            ("buyer", "order-refunded"),
            ("seller", "order-refunded"),
            ("admin", "refund-reported"),
            ("admin", "payment-refunded"),
        }

    await until(all_are_notified, "notifications of the refunds")


async def test_old_webhook_changes_nothing(client: JourneyClient) -> None:
    buyer, product, session = await new_session(client)
    failed = failed_event(session)
    assert (await client.webhook(failed)).status == 200
    second = await client.open_session(buyer, [(product, 2)])
    assert (await client.webhook(failed)).status == 200
    assert (await client.get_session(buyer, second))["status"] == "open"
    assert await units(client, product) == (3, 2, 0)


async def test_payment_after_expiry_gets_its_units_or_a_refund(client: JourneyClient) -> None:
    buyer, product, session = await new_session(client, stock=2)
    assert (await client.webhook(expired_event(session))).status == 200
    assert (await client.get_session(buyer, session))["status"] == "expired"
    other = await client.open_session(buyer, [(product, 2)])
    assert (await client.webhook(paid_event(session))).status == 200
    await client.wait_for_status("refunded", buyer, session)
    assert await units(client, product) == (0, 2, 0)
    assert await created_events(client, session) == []
    payments = await client.market.rows(
        "simulator", "SELECT status, refund_id FROM payments WHERE id = $1", payment_of(session)
    )
    assert payments[0]["status"] == "refunded"
    assert payments[0]["refund_id"]
    assert (await client.pay(other)).json["status"] == "paid"
    await client.wait_for_status("paid", buyer, other)
    assert await units(client, product) == (0, 0, 2)


@pytest.mark.parametrize("less", [1, -1])
async def test_wrong_amount_is_refunded(client: JourneyClient, less: int) -> None:
    buyer, product, session = await new_session(client)
    assert (await client.webhook(paid_event(session, amount=session["total"]["amount"] - less))).status == 200
    await client.wait_for_status("refunded", buyer, session)

    async def is_released() -> bool:
        return await units(client, product) == (5, 0, 0)

    await until(is_released, "the held units are released")


async def test_second_payment_for_session_is_refunded(client: JourneyClient) -> None:
    buyer, product, session = await new_session(client)
    other = await client.open_session(await client.new_buyer(), [(product, 1)])
    assert (await client.pay(session)).json["status"] == "paid"
    await client.wait_for_status("paid", buyer, session)
    twice = paid_event(session, payment_id=payment_of(other))
    assert (await client.webhook(twice)).status == 200

    async def is_refunded() -> bool:
        rows = await client.market.rows(
            "order", "SELECT refund_id FROM unmatched_payments WHERE payment_id = $1", payment_of(other)
        )
        return bool(rows and rows[0]["refund_id"])

    await until(is_refunded, "the second payment is refunded")
    assert (await client.get_session(buyer, session))["status"] == "paid"


async def test_declined_card_is_followed_by_another_until_the_checkout_is_cancelled(client: JourneyClient) -> None:
    buyer, product, session = await new_session(client)
    first = await client.pay(session, BAD_CARD, headers=trace_headers())
    assert (first.status, first.json["status"]) == (200, "declined")
    assert_problem(await client.pay(session, "1234"), 422)

    async def is_declined() -> bool:
        return bool((await client.get("/order/api/open-payment-session", buyer))["last_decline"])

    await until(is_declined, "the decline is shown")
    assert (await client.get_session(buyer, session))["status"] == "open"
    assert await units(client, product) == (3, 2, 0)
    assert (await client.cancel(buyer, session)).json["status"] == "cancelled"
    assert_problem(await client.pay(session), 409, "payment-cancelled")
    assert await units(client, product) == (5, 0, 0)
    assert_problem(await client.request("GET", "/order/api/open-payment-session", who=buyer), 404, "no-open-session")


async def test_payment_of_a_cancelled_checkout_is_refunded_and_its_buyer_notified(client: JourneyClient) -> None:
    buyer, product, session = await new_session(client)
    assert (await client.cancel(buyer, session)).status == 200
    assert (await client.webhook(paid_event(session))).status == 200

    async def is_notified() -> bool:
        notifications = (await client.get("/notification/api/notifications", buyer))["items"]
        return "payment-refunded" in {one["kind"] for one in notifications}

    await until(is_notified, "the buyer is notified of the refund")
    assert (await client.get_session(buyer, session))["status"] == "cancelled"
    assert await units(client, product) == (5, 0, 0)
    payments = await client.market.rows("simulator", "SELECT status FROM payments WHERE id = $1", payment_of(session))
    assert [payment["status"] for payment in payments] == ["refunded"]


async def test_paid_checkout_cannot_be_replaced(client: JourneyClient) -> None:
    buyer, product, session = await new_session(client)
    assert (await client.webhook(paid_event(session))).status == 200
    [order_id] = (await client.wait_for_status("paid", buyer, session))["order_ids"]
    refused = await client.cancel(buyer, session)
    assert_problem(refused, 409, "already-paid")
    assert refused.json["errors"] == [{"field": "order_ids", "message": order_id}]
    assert (await client.checkout(buyer, [(product, 1)])).status == 201

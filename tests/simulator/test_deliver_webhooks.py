"""Delivery of webhooks to a shop that accepts, refuses, or fails."""

import asyncio
import json
from datetime import timedelta

import pytest

from nextbuy.simulator.deliver_webhooks import deliver_webhooks
from nextbuy.simulator.deps import Deps
from tests.simulator.conftest import TRACE, FakeClock, Shop
from tests.simulator.test_pay import BAD, GOOD, by_json
from tests.waiting import until


async def undelivered(deps: Deps) -> int:
    return int(await deps.database.fetchval("SELECT count(*) FROM webhooks WHERE delivered_at IS NULL"))


async def all_delivered(deps: Deps) -> bool:
    return await undelivered(deps) == 0


@pytest.mark.usefixtures("delivering")
async def test_webhook_is_signed_and_in_the_trace_of_its_payment(deps: Deps, shop: Shop, payment_id: str) -> None:
    await by_json(deps, payment_id, GOOD)
    await until(lambda: len(shop.accepted) == 1, "the webhook is accepted")
    event = json.loads(shop.accepted[0])
    assert event["type"] == "checkout.session.completed"
    about = event["data"]["object"]
    assert (about["id"], about["amount_total"], about["currency"]) == (payment_id, 1999, "usd")
    assert TRACE in shop.headers[0]["traceparent"]
    await until(lambda: all_delivered(deps), "the delivery is recorded")


@pytest.mark.usefixtures("delivering")
async def test_refused_webhook_is_sent_until_it_is_accepted(deps: Deps, shop: Shop, payment_id: str) -> None:
    shop.refusals = 4
    await by_json(deps, payment_id, BAD)
    await until(lambda: all_delivered(deps), "the webhook is accepted")
    assert (shop.attempts, len(shop.accepted)) == (5, 1)
    assert await deps.database.fetchval("SELECT attempts FROM webhooks") == 5


async def test_webhook_of_a_dead_process_is_sent_when_its_claim_expires(
    deps: Deps, shop: Shop, payment_id: str
) -> None:
    await by_json(deps, payment_id, GOOD)
    await deps.database.execute("UPDATE webhooks SET attempts = 1, due_at = now() + interval '15 seconds'")
    await deliver_webhooks(deps)
    assert shop.attempts == 0
    await deps.database.execute("UPDATE webhooks SET due_at = now()")
    await deliver_webhooks(deps)
    await until(lambda: all_delivered(deps), "the webhook is accepted")
    assert len(shop.accepted) == 1


async def test_concurrent_processes_send_a_webhook_once(deps: Deps, shop: Shop, payment_id: str) -> None:
    await by_json(deps, payment_id, GOOD)
    await asyncio.gather(*(deliver_webhooks(deps) for _ in range(5)))
    await until(lambda: all_delivered(deps), "the webhook is accepted")
    assert shop.attempts == 1


@pytest.mark.usefixtures("delivering")
async def test_webhook_is_given_up_after_three_days(deps: Deps, shop: Shop, payment_id: str, clock: FakeClock) -> None:
    shop.refusals = 1_000
    await by_json(deps, payment_id, GOOD)
    await until(lambda: shop.attempts > 0, "the webhook is sent")
    await deps.database.execute("UPDATE webhooks SET created_at = now() - interval '73 hours'")
    assert clock.ahead == timedelta()

    async def given_up() -> bool:
        return await deps.database.fetchval("SELECT due_at FROM webhooks") is None

    await until(given_up, "the webhook is given up")
    assert await undelivered(deps) == 1

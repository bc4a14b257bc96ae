"""Webhooks reach the shop, whatever the shop does."""

import asyncio
import json
from datetime import timedelta

import pytest

from nextbuy.simulator.deliver_webhooks import deliver_webhooks
from nextbuy.simulator.deps import Deps
from tests.simulator.conftest import TRACE, Shop, Turning
from tests.simulator.test_pay import BAD, GOOD, by_json
from tests.waiting import until


async def undelivered(deps: Deps) -> int:
    return int(await deps.database.fetchval("SELECT count(*) FROM deliveries WHERE delivered_at IS NULL"))


async def all_delivered(deps: Deps) -> bool:
    return await undelivered(deps) == 0


@pytest.mark.usefixtures("delivering")
async def test_a_payment_is_told_signed_and_within_its_trace(deps: Deps, shop: Shop, payment_id: str) -> None:
    await by_json(deps, payment_id, GOOD)
    await until(lambda: len(shop.taken) == 1, "the webhook is taken")
    event = json.loads(shop.taken[0])
    assert event["type"] == "checkout.session.completed"
    about = event["data"]["object"]
    assert (about["id"], about["amount_total"], about["currency"]) == (payment_id, 1999, "usd")
    assert TRACE in shop.headers[0]["traceparent"]
    await until(lambda: all_delivered(deps), "it is known to be taken")


@pytest.mark.usefixtures("delivering")
async def test_it_is_sent_again_until_it_is_taken_then_no_more(deps: Deps, shop: Shop, payment_id: str) -> None:
    shop.refuses = 4
    await by_json(deps, payment_id, BAD)
    await until(lambda: all_delivered(deps), "it is taken at last")
    assert (shop.tries, len(shop.taken)) == (5, 1)
    assert await deps.database.fetchval("SELECT tries FROM deliveries") == 5


async def test_what_another_process_left_behind_is_sent_when_its_lease_is_over(
    deps: Deps, shop: Shop, payment_id: str
) -> None:
    await by_json(deps, payment_id, GOOD)
    await deps.database.execute("UPDATE deliveries SET tries = 1, due_at = now() + interval '15 seconds'")
    await deliver_webhooks(deps)
    assert shop.tries == 0
    await deps.database.execute("UPDATE deliveries SET due_at = now()")
    await deliver_webhooks(deps)
    await until(lambda: all_delivered(deps), "it is taken")
    assert len(shop.taken) == 1


async def test_two_processes_send_a_webhook_once(deps: Deps, shop: Shop, payment_id: str) -> None:
    await by_json(deps, payment_id, GOOD)
    await asyncio.gather(*(deliver_webhooks(deps) for _ in range(5)))
    await until(lambda: all_delivered(deps), "it is taken")
    assert shop.tries == 1


@pytest.mark.usefixtures("delivering")
async def test_after_three_days_it_is_given_up(deps: Deps, shop: Shop, payment_id: str, clock: Turning) -> None:
    shop.refuses = 1_000
    await by_json(deps, payment_id, GOOD)
    await until(lambda: shop.tries > 0, "it is tried")
    await deps.database.execute("UPDATE deliveries SET created_at = now() - interval '73 hours'")
    assert clock.ahead == timedelta()

    async def given_up() -> bool:
        return await deps.database.fetchval("SELECT due_at FROM deliveries") is None

    await until(given_up, "it is given up")
    assert await undelivered(deps) == 1

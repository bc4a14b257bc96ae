"""Webhooks that keep failing are listed, sent on request, and given up by an admin."""

import pytest

from nextbuy.contracts.values import PageRequest, Role
from nextbuy.kit.stuck import GiveUp, Stuck, StuckRef
from nextbuy.simulator.audit import audit
from nextbuy.simulator.deliver_webhooks import deliver_webhooks
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.give_up_stuck import give_up_stuck
from nextbuy.simulator.retry_stuck import retry_stuck
from nextbuy.simulator.stuck import stuck
from tests.callers import account, caller
from tests.simulator.conftest import Shop
from tests.simulator.test_pay import GOOD, by_json
from tests.waiting import until

ADMIN = caller(account(Role.ADMIN))


async def listed(deps: Deps) -> list[Stuck]:
    return (await stuck(deps, ADMIN, PageRequest())).items


@pytest.fixture
async def failing(deps: Deps, shop: Shop, payment_id: str) -> Stuck:
    """A webhook that the shop has refused for a quarter of an hour, and that is due in an hour."""
    shop.refusals = 2
    await by_json(deps, payment_id, GOOD)
    for attempt in (1, 2):

        async def rescheduled(attempt: int = attempt) -> bool:
            find = "SELECT due_at = delayed_until AND attempts = $1 FROM webhooks"
            return bool(await deps.database.fetchval(find, attempt))

        await deps.database.execute("UPDATE webhooks SET due_at = now()")
        await deliver_webhooks(deps)
        await until(rescheduled, "the shop has refused the webhook")
    await deps.database.execute(
        """
        UPDATE webhooks SET failing_since = failing_since - interval '15 minutes', due_at = now() + interval '1 hour',
                            delayed_until = now() + interval '1 hour'
        """
    )
    [work] = await listed(deps)
    return work


async def test_webhook_that_keeps_failing_is_listed_with_the_status_of_the_marketplace(failing: Stuck) -> None:
    assert (failing.kind, failing.attempts, failing.reason) == ("webhook", 2, "refused (status 503)")
    assert failing.id.startswith("evt_")


async def test_retried_webhook_is_delivered(deps: Deps, shop: Shop, failing: Stuck) -> None:
    await retry_stuck(deps, ADMIN, StuckRef(failing.id))
    await deliver_webhooks(deps)

    await until(lambda: len(shop.accepted) == 1, "the webhook is accepted")


async def test_given_up_webhook_is_not_sent_again(deps: Deps, shop: Shop, failing: Stuck) -> None:
    await give_up_stuck(deps, ADMIN, GiveUp(failing.id, "the shop is closed"))
    await deliver_webhooks(deps)

    assert await listed(deps) == []
    assert await deps.database.fetchval("SELECT failure FROM webhooks") == "given up: the shop is closed"
    assert await deps.database.fetchval("SELECT due_at IS NULL AND delivered_at IS NULL FROM webhooks")
    assert (shop.attempts, shop.accepted) == (2, [])
    [entry] = (await audit(deps, ADMIN, PageRequest())).items
    assert (entry.action, entry.subject) == ("give-up-stuck", failing.id)

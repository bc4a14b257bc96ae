"""Thousands of orders while the broker, PostgreSQL, the kafka service and the services behind it are killed.

`NEXTBUY_TEST_CHAOS_ORDERS` sets the number, `NEXTBUY_TEST_CHAOS_SEED` the random seed. The course of events is printed
when a test fails, and appended to the file that `NEXTBUY_TEST_CHAOS_STORY` names.
"""

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from nextbuy.kit.service import Subscription
from tests.chaos import checks
from tests.chaos.chaos_run import ChaosRun
from tests.chaos.clients import Clients
from tests.chaos.cluster import running_cluster
from tests.chaos.observations import Observations
from tests.chaos.reconciliation import exactly_once

ORDERS: Final = int(os.environ.get("NEXTBUY_TEST_CHAOS_ORDERS") or 200)
FULL_SIZE: Final = ORDERS >= 1_000
"""Whether the run ends only when the comparison has passed every event, minutes later: else it may have reported none
because it has seen none."""
SEED: Final = int(os.environ.get("NEXTBUY_TEST_CHAOS_SEED") or secrets.randbelow(1_000_000))
STORY: Final = os.environ.get("NEXTBUY_TEST_CHAOS_STORY", "")

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(1_500)]


@dataclass(frozen=True)
class ChaosResult:
    """The confirmations to clients, and the state at rest."""

    clients: Clients
    found: Observations
    stock: dict[str, int]


@pytest.fixture(scope="module", params=["redis", pytest.param("kafka", marks=pytest.mark.chaos)])
def result(request: pytest.FixtureRequest) -> ChaosResult:
    """One run per bus, shared by all tests of this file."""
    carrier: str = request.param
    _record(f"{ORDERS} orders, carried by {carrier}, seed {SEED}")
    with running_cluster(carrier) as cluster:
        run = ChaosRun(cluster, ORDERS, SEED, _record, compared=FULL_SIZE)
        return ChaosResult(*asyncio.run(run.run()), cluster.market.stock)


def _record(what: str) -> None:
    print(what)  # noqa: T201  shown where a test fails
    if STORY:
        with Path(STORY).open("a") as file:
            file.write(f"{what}\n")


def test_confirmed_orders_exist_and_no_others(result: ChaosResult) -> None:
    confirmed, snapshot = result.clients.confirmed, result.found.snapshot
    assert sum(session.orders for session in confirmed) == len(snapshot.orders) == ORDERS
    paid = {session["id"]: session for session in snapshot.sessions if session["status"] == "paid"}
    assert exactly_once("paid sessions", [session.session_id for session in confirmed], paid) == []
    assert [one for one in confirmed if paid[one.session_id]["total"] != one.total] == []
    assert [one for one in confirmed if len(snapshot.orders_of(paid[one.session_id])) != one.orders] == []


def test_every_order_has_its_two_events_in_the_log(result: ChaosResult) -> None:
    assert checks.every_order_is_in_the_log(result.found) == []


def test_every_confirmed_price_change_is_in_the_log_once(result: ChaosResult) -> None:
    granted = [name for name, times in result.clients.changes.items() for _ in range(times)]
    assert len(granted) > ORDERS // 50
    assert exactly_once("changes", granted, [event.key for event in result.found.of("product.updated")]) == []


def test_all_events_are_on_the_bus_in_order_per_key(result: ChaosResult) -> None:
    assert checks.the_log_is_on_the_bus(result.found) == []


def test_admins_were_notified_once_per_order_and_seller(result: ChaosResult) -> None:
    assert checks.admins_were_notified(result.found) == []


def test_buyers_and_sellers_were_notified_and_mailed_once_per_order(result: ChaosResult) -> None:
    assert checks.buyers_and_sellers_were_notified(result.found) == []


@pytest.mark.parametrize("subscription", checks.SUBSCRIPTIONS, ids=lambda one: str(one.name))
def test_each_event_is_applied_once_and_in_order(result: ChaosResult, subscription: Subscription) -> None:
    assert checks.all_is_applied(result.found, subscription) == []


def test_projections_count_every_event_unit_and_cent_once(result: ChaosResult) -> None:
    assert checks.projections_are_right(result.found) == []


def test_events_and_rows_agree(result: ChaosResult) -> None:
    assert checks.events_and_rows_agree(result.found) == []


def test_there_are_no_dead_letters(result: ChaosResult) -> None:
    assert checks.there_are_no_dead_letters(result.found) == []


def test_comparisons_reported_no_event_as_lost(result: ChaosResult) -> None:
    assert checks.comparisons_found_nothing(result.found) == []


def test_money_and_stock_reconcile(result: ChaosResult) -> None:
    result.found.snapshot.assert_reconciled(result.stock)

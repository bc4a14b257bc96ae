"""Losses of real engines: each order is notified once and counted once in the end, and each loss is reported.

While the kafka service is stopped, orders are made, and the bus loses them in every way that its engine knows. Then the
databases of two services are replaced by copies from before all losses, in place of backups that are an hour old. The
course of events is printed when a test fails.
"""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from nextbuy.kit.service import Subscription
from tests.chaos import checks
from tests.chaos.cluster import running_cluster
from tests.chaos.loss_run import AUDITED, RESTORE, RESTORED, LossResult, LossRun
from tests.chaos.losses import DELETED
from tests.chaos.reconciliation import exactly_once

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", params=["redis", "kafka"])
def result(request: pytest.FixtureRequest) -> LossResult:
    """One run per bus, shared by all tests of this file."""
    carrier: str = request.param
    with running_cluster(carrier) as cluster:
        return asyncio.run(LossRun(cluster, 1, print).run())


def test_every_loss_lost_events(result: LossResult) -> None:
    assert len(result.lost) == 5
    assert [what for what, lost in result.lost.items() if not lost] == []
    assert len([what for what, lost in result.lost.items() if ("notification", DELETED) in lost]) >= 4
    assert {service for service, _ in result.lost[RESTORE]} == {*RESTORED}


def test_confirmed_orders_exist_and_no_others(result: LossResult) -> None:
    confirmed, snapshot = result.clients.confirmed, result.found.snapshot
    assert sum(session.orders for session in confirmed) == len(snapshot.orders)
    paid = [session["id"] for session in snapshot.sessions if session["status"] == "paid"]
    assert exactly_once("paid sessions", [session.session_id for session in confirmed], paid) == []


def test_each_order_was_notified_and_mailed_once_to_buyer_and_seller(result: LossResult) -> None:
    assert checks.buyers_and_sellers_were_notified(result.found) == []


def test_admins_were_notified_once_per_order_and_seller(result: LossResult) -> None:
    assert checks.admins_were_notified(result.found) == []


def test_each_order_unit_and_cent_was_counted_once(result: LossResult) -> None:
    assert checks.projections_are_right(result.found) == []


@pytest.mark.parametrize("subscription", checks.SUBSCRIPTIONS, ids=lambda one: str(one.name))
def test_each_event_was_applied_once(result: LossResult, subscription: Subscription) -> None:
    assert checks.each_event_is_applied(result.found, subscription) == []


def test_copies_of_shops_are_right(result: LossResult) -> None:
    assert result.shops["product"] == result.shops["seller"]
    assert Counter(shop["status"] for shop in result.shops["seller"]).keys() == {"approved"}


def test_events_and_rows_agree(result: LossResult) -> None:
    assert checks.events_and_rows_agree(result.found) == []


def test_money_and_stock_reconcile(result: LossResult) -> None:
    result.found.snapshot.assert_reconciled(result.stock)


def test_there_are_no_dead_letters(result: LossResult) -> None:
    assert checks.there_are_no_dead_letters(result.found) == []


def test_operators_did_nothing(result: LossResult) -> None:
    assert result.audits == dict.fromkeys(AUDITED, "No actions are recorded.")


def test_every_loss_was_reported_once_and_nothing_else(result: LossResult) -> None:
    lost, reported = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for (service, topic, _), times in result.all_lost.items():
        lost[service, topic] += times
    for one in result.reported:
        reported[one["service"], one["topic"]] += one["events"]
    assert reported == lost


def test_each_report_is_about_lost_events_that_were_delivered(result: LossResult) -> None:
    for one in result.reported:
        assert (one["service"], one["topic"], UUID(one["first_event_id"])) in result.all_lost
        assert one["kind"] == "missing-events"
        assert one["repaired_at"] > one["found_at"]

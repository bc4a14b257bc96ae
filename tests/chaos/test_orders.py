"""Thousands of orders; the broker is killed three times, the kafka service twice, PostgreSQL once; nothing is lost.

`NEXTBUY_TEST_CHAOS_ORDERS` says how many, `NEXTBUY_TEST_CHAOS_SEED` how the blows fall. What happened is told where a
test fails, and written to the file that `NEXTBUY_TEST_CHAOS_STORY` names.
"""

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from nextbuy.kit.service import Listening
from tests.chaos import checks
from tests.chaos.chaos_run import Ordeal
from tests.chaos.clients import Clients
from tests.chaos.findings import Findings
from tests.chaos.reconciliation import each_once
from tests.chaos.stage import staged

ORDERS: Final = int(os.environ.get("NEXTBUY_TEST_CHAOS_ORDERS") or 500)
SEED: Final = int(os.environ.get("NEXTBUY_TEST_CHAOS_SEED") or secrets.randbelow(1_000_000))
STORY: Final = os.environ.get("NEXTBUY_TEST_CHAOS_STORY", "")

pytestmark = pytest.mark.timeout(1_500)


@dataclass(frozen=True)
class Survived:
    """What the clients were told, and what is there."""

    clients: Clients
    found: Findings
    stock: dict[str, int]


@pytest.fixture(scope="module", params=["redis", "kafka"])
def survived(request: pytest.FixtureRequest) -> Survived:
    """One run on each bus, which all tests of this file look at."""
    carrier: str = request.param
    _tell(f"{ORDERS} orders, carried by {carrier}, seed {SEED}")
    with staged(carrier) as stage:
        ordeal = Ordeal(stage, ORDERS, SEED, _tell)
        return Survived(*asyncio.run(ordeal.survive()), stage.market.stock)


def _tell(what: str) -> None:
    print(what)  # noqa: T201  shown where a test fails
    if STORY:
        with Path(STORY).open("a") as file:
            file.write(f"{what}\n")


def test_every_order_that_a_buyer_was_told_of_is_there_and_no_other(survived: Survived) -> None:
    told, books = survived.clients.told, survived.found.books
    assert sum(session.orders for session in told) == len(books.orders) == ORDERS
    paid = {session["id"]: session for session in books.sessions if session["status"] == "paid"}
    assert each_once("paid sessions", [session.session_id for session in told], paid) == []
    assert [one for one in told if paid[one.session_id]["total"] != one.total] == []
    assert [one for one in told if len(books.orders_of(paid[one.session_id])) != one.orders] == []


def test_every_order_has_one_order_created_and_one_order_paid_in_the_log(survived: Survived) -> None:
    assert checks.every_order_is_in_the_log(survived.found) == []


def test_every_change_that_a_seller_was_granted_is_in_the_log_once(survived: Survived) -> None:
    granted = [name for name, times in survived.clients.changes.items() for _ in range(times)]
    assert len(granted) > ORDERS // 50
    assert each_once("changes", granted, [event.key for event in survived.found.of("product.updated")]) == []


def test_all_of_the_logs_is_on_the_bus_and_of_each_key_in_the_order_of_its_writing(survived: Survived) -> None:
    assert checks.the_log_is_on_the_bus(survived.found) == []


def test_the_admins_were_notified_of_every_order_and_seller_once(survived: Survived) -> None:
    assert checks.admins_were_notified(survived.found) == []


def test_each_buyer_and_each_seller_was_told_of_every_order_once_and_mailed_once(survived: Survived) -> None:
    assert checks.buyers_and_sellers_were_told(survived.found) == []


@pytest.mark.parametrize("listening", checks.LISTENINGS, ids=lambda one: str(one.name))
def test_each_event_is_applied_once_and_after_what_came_before_it(survived: Survived, listening: Listening) -> None:
    assert checks.all_is_applied(survived.found, listening) == []


def test_the_figures_count_every_event_unit_and_cent_once(survived: Survived) -> None:
    assert checks.the_figures_are_right(survived.found) == []


def test_what_the_events_tell_is_what_is_stored(survived: Survived) -> None:
    assert checks.events_tell_what_is_stored(survived.found) == []


def test_nothing_became_a_dead_letter(survived: Survived) -> None:
    assert checks.nothing_was_buried(survived.found) == []


def test_money_and_goods_are_all_there(survived: Survived) -> None:
    survived.found.books.are_right(survived.stock)

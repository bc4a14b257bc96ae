"""Rows of the order service that were lost are restored from the event log, complete, and never twice.

`NEXTBUY_TEST_CHECKOUTS` sets the number of random checkouts.
"""

import os
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.contracts.product import ReleaseStock, UpdateStock
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.contracts.values import new_id
from nextbuy.kit.audit_log import list_entries
from nextbuy.kit.storage.database import Transaction
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.history import SessionProjection
from nextbuy.order.model import RestoreRunning, State, TooManyEvents
from nextbuy.order.order_details import OrderRequest, order_details
from nextbuy.order.store import missing_rows, session_projection
from tests.callers import caller
from tests.order.lost_rows import (
    Row,
    assert_restored,
    leave_work_due,
    lose,
    numbers,
    pay_unknown_sessions,
    restored,
    rows,
)
from tests.order.market import Market
from tests.order.random_checkouts import ADDRESS, RandomCheckouts
from tests.order.test_verify_history import mutable_event_log
from tests.outbox import topics

MANY = int(os.environ.get("NEXTBUY_TEST_CHECKOUTS") or 300)
SOME = 120


@pytest.mark.scaled
@pytest.mark.timeout(240)
async def test_rows_of_many_random_checkouts_in_every_state_are_restored_in_every_column(market: Market) -> None:
    seed = random.SystemRandom().randrange(10**9)
    sys.stdout.write(f"the seed of these checkouts is {seed}\n")
    await RandomCheckouts(market, seed).run(MANY)
    await pay_unknown_sessions(market, 3)
    await leave_work_due(market)
    before, published = await rows(market.database), await topics(market.database)
    assert {row["status"] for row in before["sessions"]} == set(State)

    await lose(market.database)
    await market.database.execute("TRUNCATE unmatched_payments, webhook_events")
    assert numbers(await rows(market.database)) == Counter()

    await assert_restored(market, before, numbers(before))
    assert await topics(market.database) == published, "a restore published an event"


async def test_given_up_work_is_restored_with_its_note_and_not_done_again(market: Market) -> None:
    await leave_work_due(market)
    session = await market.create_payment_session((market.product(market.shop()), 1))
    await market.deliver(market.paid_event(session))
    market.calls.replies[RefundPayment] = Unavailable("unavailable")
    await market.deliver(market.paid_event(session, id="pay_second"))
    await market.deliver(market.provider_event("checkout.session.completed", new_id(), id="pay_lost", amount_total=5))
    due = "SELECT id::text, payment_id, status, release_due_at FROM sessions WHERE status <> 'paid' ORDER BY created_at"
    paying, refund, release = await market.database.fetch(due)
    await market.give_up(paying["id"], refund["payment_id"], release["id"], "pay_second", "pay_lost")
    before = await rows(market.database)
    note = "the provider is gone"
    found = [(row["status"], row["give_up_note"], row["reason"]) for row in before["sessions"] if row["give_up_note"]]
    assert sorted(found) == [("given-up", note, "not-completed"), ("given-up", note, "wrong-amount")]
    assert [row["give_up_note"] for row in before["unmatched_payments"]] == [note, note]
    await lose(market.database)
    await market.database.execute("TRUNCATE unmatched_payments")
    requested = len(market.calls.of_type(RefundPayment)), len(market.calls.of_type(ReleaseStock))

    await assert_restored(market, before, numbers(before))
    await market.recover()

    # The units of the checkout that was never completed are due, and those that were given up are not.
    released = market.calls.of_type(ReleaseStock)[requested[1] :]
    assert {str(call.session_id) for call in released} == {paying["id"], refund["id"]}
    assert len(market.calls.of_type(RefundPayment)) == requested[0]


async def test_missing_half_of_the_rows_is_restored_beside_the_other_half(market: Market) -> None:
    await RandomCheckouts(market, 21).run(SOME)
    before = await rows(market.database)

    await lose(market.database, "hashtext(id::text) % 2 = 0")
    await market.database.execute("DELETE FROM order_lines WHERE hashtext(product_id::text) % 2 = 0")
    await market.database.execute(
        "DELETE FROM orders WHERE hashtext(id::text) % 2 = 0"
        " AND NOT EXISTS (SELECT FROM order_lines WHERE order_id = id)"
    )
    left = numbers(await rows(market.database))
    assert all(0 < left[table] < len(before[table]) for table in ("sessions", "orders", "order_lines"))

    await assert_restored(market, before, numbers(before) - left)


async def test_row_that_differs_from_the_log_is_reported_and_unchanged(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))
    await market.deliver(market.paid_event(session))
    await market.deliver(market.provider_event("checkout.session.completed", new_id(), id="pay_lost", amount_total=5))
    await market.database.execute("UPDATE sessions SET buyer_id = $1", UUID(int=1))
    await market.database.execute("UPDATE unmatched_payments SET amount = 6")
    before = await rows(market.database)

    result, pages = await restored(market)

    found = {(one.row, one.field) for page in pages for one in page.differences}
    assert found == {(f"session {session.session_id}", "buyer_id"), ("unmatched payment pay_lost", "total")}
    assert (result.differences, result.compared, result.added) == (2, 2, Counter())
    assert await rows(market.database) == before


async def test_session_with_a_contradictory_log_is_reported_and_not_restored(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))
    await market.deliver(market.paid_event(session))
    async with mutable_event_log(market.database):
        await market.database.execute("DELETE FROM event_log WHERE topic = 'payment.received'")
    await lose(market.database)

    result, _ = await restored(market)

    assert result.added == Counter()
    assert result.differences == 1


async def test_erased_address_stays_erased_and_other_addresses_are_shown(market: Market) -> None:
    orders = []
    for _ in range(2):
        session = await market.create_payment_session(
            (market.product(market.shop()), 1), address=ADDRESS, by=market.buyer
        )
        await market.deliver(market.paid_event(session))
        orders.append(await market.database.fetchval("SELECT id FROM orders WHERE session_id = $1", session.session_id))
    erased = await market.database.fetchval("SELECT session_id FROM orders WHERE id = $1", orders[0])
    await market.database.execute("DELETE FROM postal_addresses WHERE session_id = $1", erased)
    await lose(market.database)

    await restored(market)

    details = [
        (await order_details(market.deps, caller(market.buyer), OrderRequest(order_id=order_id))).order
        for order_id in orders
    ]
    assert details[0].address is None
    assert details[1].address is not None
    assert msgspec.to_builtins(details[1].address) == msgspec.to_builtins(ADDRESS)
    log = await market.database.fetch("SELECT envelope FROM event_log")
    assert not [row for row in log if "Harbour" in row["envelope"] or "Winter" in row["envelope"]]


async def test_restored_session_that_was_paying_is_completed_once(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 2))
    usual = market.calls.replies[UpdateStock]
    market.calls.replies[UpdateStock] = Unavailable("unavailable")
    with pytest.raises(AppError):
        await market.deliver(market.paid_event(session))
    market.calls.replies[UpdateStock] = usual
    await lose(market.database)
    await market.database.execute("TRUNCATE webhook_events")

    await restored(market)
    await market.deliver(market.paid_event(session))
    await market.recover()

    await market.assert_reconciled(payments={market.payment_id(session)})
    assert await market.status(session.session_id) == "paid"
    assert (await topics(market.database)).count("order.created") == 1


async def test_restored_refund_is_made_once_and_one_that_was_made_is_not_repeated(market: Market) -> None:
    due, made = [await market.create_payment_session((market.product(market.shop()), 1)) for _ in range(2)]
    await market.deliver(market.paid_event(made, amount_total=1))
    usual = market.calls.replies[RefundPayment]
    market.calls.replies[RefundPayment] = Unavailable("unavailable")
    with pytest.raises(AppError):
        await market.deliver(market.paid_event(due, amount_total=1))
    market.calls.replies[RefundPayment] = usual
    await lose(market.database)
    requested = len(market.calls.of_type(RefundPayment))

    await restored(market)
    await market.recover()

    assert [call.payment_id for call in market.calls.of_type(RefundPayment)[requested:]] == [market.payment_id(due)]
    assert {await market.status(one.session_id) for one in (due, made)} == {"refunded"}


async def test_released_hold_is_not_released_again_and_one_that_was_due_is(market: Market) -> None:
    released, due = [await market.create_payment_session((market.product(market.shop()), 1)) for _ in range(2)]
    await market.deliver(market.provider_event("checkout.session.expired", released.session_id))
    usual = market.calls.replies[ReleaseStock]
    market.calls.replies[ReleaseStock] = Unavailable("unavailable")
    await market.deliver(market.provider_event("checkout.session.expired", due.session_id))
    market.calls.replies[ReleaseStock] = usual
    await lose(market.database)
    requested = len(market.calls.of_type(ReleaseStock))

    await restored(market)
    await market.recover()

    assert [call.session_id for call in market.calls.of_type(ReleaseStock)[requested:]] == [due.session_id]


async def test_restored_open_session_can_be_paid_and_expires_in_time(market: Market) -> None:
    paid, unpaid = [await market.create_payment_session((market.product(market.shop()), 1)) for _ in range(2)]
    await lose(market.database)

    await restored(market)
    await expire_sessions(market.deps)
    await market.deliver(market.paid_event(paid))

    assert [await market.status(one.session_id) for one in (paid, unpaid)] == ["paid", "open"]
    await market.advance_clock(minutes=31)
    assert await market.status(unpaid.session_id) == "expired"


async def test_order_numbers_continue_above_those_of_a_lost_sequence(market: Market) -> None:
    shop = market.shop()
    for _ in range(3):
        await market.deliver(market.paid_event(await market.create_payment_session((market.product(shop), 1))))
    await lose(market.database, "serial > 1")
    await market.database.execute("ALTER SEQUENCE checkout_serials RESTART")

    await restored(market)
    await market.deliver(market.paid_event(await market.create_payment_session((market.product(shop), 1))))

    serials = [row["serial"] for row in await market.database.fetch("SELECT serial FROM sessions ORDER BY serial")]
    assert serials[:3] == [1, 2, 3]
    assert len(serials) == 4
    assert serials[3] > 3


async def test_sequence_that_was_not_lost_is_not_moved(market: Market) -> None:
    await market.deliver(market.paid_event(await market.create_payment_session((market.product(market.shop()), 1))))
    before = await market.database.fetchrow("SELECT last_value, is_called FROM checkout_serials")

    await restored(market)

    assert await market.database.fetchrow("SELECT last_value, is_called FROM checkout_serials") == before


async def test_order_number_that_was_used_again_is_reported(market: Market) -> None:
    shop = market.shop()
    session = await market.create_payment_session((market.product(shop), 1))
    await market.deliver(market.paid_event(session))
    await lose(market.database)
    await market.database.execute("ALTER SEQUENCE checkout_serials RESTART")
    await market.deliver(market.paid_event(await market.create_payment_session((market.product(shop), 1))))

    result, pages = await restored(market)

    assert result.added == Counter()
    assert [(one.row, one.field) for page in pages for one in page.differences] == [
        (f"session {session.session_id}", "session")
    ]


async def test_second_restore_is_refused_while_one_runs(market: Market) -> None:
    async with market.database.transaction() as tx:
        assert await missing_rows.lock_restore(tx)

        with pytest.raises(RestoreRunning):
            await restored(market)

    await restored(market)


async def test_page_with_too_many_events_is_restored_in_parts(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    await RandomCheckouts(market, 3).run(20)
    before = await rows(market.database)
    await lose(market.database)
    monkeypatch.setattr(session_projection, "MAX_EVENTS", 40)

    await assert_restored_without_verification(market, before)


async def assert_restored_without_verification(market: Market, before: Mapping[str, list[Row]]) -> None:
    result, _ = await restored(market)
    assert result.added == numbers(before)
    assert await rows(market.database) == before


async def test_session_with_too_many_events_ends_the_restore(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    await market.create_payment_session((market.product(market.shop()), 1))
    monkeypatch.setattr(session_projection, "MAX_EVENTS", 1)

    with pytest.raises(TooManyEvents):
        await restored(market)


async def test_session_that_changes_during_a_restore_does_not_differ(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))
    usual = session_projection.stored_projections

    async def read(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, SessionProjection]:
        await market.deliver(market.paid_event(session))
        return await usual(tx, ids)

    monkeypatch.setattr(session_projection, "stored_projections", read)

    result, _ = await restored(market)

    assert (result.compared, result.differences) == (1, 0)
    assert await market.status(session.session_id) == "paid"


async def test_page_is_read_again_if_a_row_appears_during_a_restore(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))
    await lose(market.database)
    usual = missing_rows.insert_missing
    inserted: list[Transaction] = []

    async def insert(tx: Transaction, *arguments: Any) -> Counter[str]:  # noqa: ANN401
        if not inserted:
            inserted.append(tx)
            await market.database.execute(
                "INSERT INTO sessions SELECT (jsonb_populate_record(NULL::sessions, $1)).*",
                msgspec.json.encode(missing_rows._session_row(next(iter(arguments[0])))).decode(),
            )
        return await usual(tx, *arguments)

    monkeypatch.setattr(missing_rows, "insert_missing", insert)

    result, _ = await restored(market)

    assert (result.compared, result.added, result.differences) == (1, Counter(), 0)
    assert await market.status(session.session_id) == "open"


async def test_restore_is_in_the_audit_log(market: Market) -> None:
    await market.create_payment_session((market.product(market.shop()), 1))
    await lose(market.database)

    await restored(market)

    [entry] = (await list_entries(market.database, "order", 10)).items
    assert (entry.actor, entry.action, entry.subject) == ("terminal:ada", "restore", "order")
    assert entry.details == {"compared": 1, "added": {"sessions": 1}, "differences": 0}

"""Rows of the order service that a test loses, and their restore."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.contracts.product import ReleaseStock, UpdateStock
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database
from nextbuy.order.restoration import Restored, RestoredPage, restore_rows
from tests.order.market import Market
from tests.order.test_verify_history import verified

TABLES = {"sessions": "id", "orders": "id", "order_lines": "order_id, position", "unmatched_payments": "payment_id"}
"""The tables with rows that the event log can restore, with their primary keys."""
SCHEDULES = ("expiry_due_at", "release_due_at", "completion_due_at", "refund_due_at")
"""Columns whose time may differ, but not whether there is one."""
ATTEMPTS = tuple(
    f"{work}_{column}"
    for work in ("release", "completion", "refund")
    for column in ("attempts", "failing_since", "failure", "delayed_until")
)
"""Columns that are not restored: due work is tried as if for the first time."""

Row = dict[str, object]


async def rows(database: Database) -> dict[str, list[Row]]:
    """Return all rows by table; of a lease or schedule, only whether anything is due."""
    return {
        table: [
            {
                name: value is not None if name in SCHEDULES else value
                for name, value in row.items()
                if name not in ATTEMPTS
            }
            for row in await database.fetch(f"SELECT * FROM {table} ORDER BY {key}")
        ]
        for table, key in TABLES.items()
    }


def numbers(tables: Mapping[str, list[Row]]) -> Counter[str]:
    """Return the number of rows by table."""
    return Counter({table: len(found) for table, found in tables.items() if found})


async def lose(database: Database, condition: str = "true") -> None:
    """Delete sessions that meet a condition, with their orders, order lines and unmatched payments."""
    condition = f"IN (SELECT id FROM sessions WHERE {condition})"
    await database.execute(
        f"DELETE FROM order_lines WHERE order_id IN (SELECT id FROM orders WHERE session_id {condition})"
    )
    await database.execute(f"DELETE FROM orders WHERE session_id {condition}")
    await database.execute(f"DELETE FROM unmatched_payments WHERE session_id {condition}")
    await database.execute(f"DELETE FROM sessions WHERE id {condition}")


async def restored(market: Market) -> tuple[Restored, list[RestoredPage]]:
    """Restore, and return the result with its pages."""
    pages: list[RestoredPage] = []
    parts: list[float] = []

    def report(page: RestoredPage, done: float) -> None:
        pages.append(page)
        parts.append(done)

    result = await restore_rows(market.database, "terminal:ada", report)
    assert parts == sorted(parts)
    assert all(0 < part <= 1 for part in parts)
    return result, pages


async def pay_unknown_sessions(market: Market, number: int) -> None:
    """Deliver payments for sessions that do not exist: refunded, still due, and given up."""
    usual = market.calls.replies[RefundPayment]
    for outcome in ("refunded", "due", "given up"):
        market.calls.replies[RefundPayment] = usual if outcome == "refunded" else Unavailable("unavailable")
        ids = [f"pay_{new_id().hex}" for _ in range(number)]
        for one in ids:
            event = market.provider_event("checkout.session.completed", new_id(), id=one, amount_total=5)
            await market.deliver(event)
        if outcome == "given up":
            await market.give_up(*ids)
    market.calls.replies[RefundPayment] = usual


async def leave_work_due(market: Market) -> None:
    """Leave checkouts whose completion, refund or release waits for a service."""
    for call, kind, amount in (
        (UpdateStock, "checkout.session.completed", 1000),
        (RefundPayment, "checkout.session.completed", 1),
        (ReleaseStock, "checkout.session.expired", 0),
    ):
        session = await market.create_payment_session((market.product(market.shop()), 1))
        usual = market.calls.replies[call]
        market.calls.replies[call] = Unavailable("unavailable")
        with suppress(AppError):
            await market.deliver(market.provider_event(kind, session.session_id, amount_total=amount))
        market.calls.replies[call] = usual


async def assert_restored(market: Market, before: Mapping[str, list[Row]], lost: Counter[str]) -> None:
    """Check that a restore adds the lost rows, that all are as before, and that they agree with the log."""
    result, _ = await restored(market)

    assert result.added == lost
    assert result.differences == 0
    after = await rows(market.database)
    for table, expected in before.items():
        assert after[table] == expected
    assert (await verified(market))[1] == []
    assert (await restored(market))[0].added == Counter(), "a second restore finds something to add"

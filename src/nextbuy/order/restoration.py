"""Restore the rows of sessions, orders and unmatched payments from the event log: `nextbuy events restore order`.

Missing rows are inserted; existing rows are compared with their events, and never changed. The order service may run
meanwhile: a page is read and inserted in one snapshot, and a missing row has no other writer. Work that was due is due
again. Repeating it is harmless, because stock, payments and refunds are keyed by the ids of sessions and payments.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.order import PaymentUnmatched, SessionCreated
from nextbuy.kit import audit_log
from nextbuy.kit.events import event_log
from nextbuy.kit.storage.database import Database, Transaction, transient
from nextbuy.order.differences import field_differences, session_differences
from nextbuy.order.history import fold
from nextbuy.order.model import RestoreRunning, TooManyEvents
from nextbuy.order.store import missing_rows, session_projection
from nextbuy.order.unmatched_history import UnmatchedPaymentProjection, evolve_unmatched

_PAGE: Final = 100
"""Sessions or payments per transaction: few enough for its time limit and for the memory of their events."""
_ATTEMPTS: Final = 5
"""Attempts at a page before a database error ends the restore."""

Key = TypeVar("Key", UUID, str)


class RowDifference(Struct, frozen=True):
    """A field of a stored row that differs from the event log; values as JSON, null if missing."""

    row: str
    field: str
    stored: str | None
    logged: str | None


class RestoredPage(Struct, frozen=True):
    """The result of one page: the sessions or payments compared, new rows by table, and the remaining differences."""

    compared: int = 0
    added: Counter[str] = msgspec.field(default_factory=Counter)
    differences: list[RowDifference] = []

    def __add__(self, other: "RestoredPage") -> "RestoredPage":
        """Return the result of both pages."""
        return RestoredPage(
            self.compared + other.compared, self.added + other.added, self.differences + other.differences
        )


class Restored(Struct):
    """The result of a restore."""

    compared: int
    """Sessions, and payments of unknown sessions."""
    added: Counter[str]
    """New rows by table."""
    differences: int


async def restore_rows(database: Database, actor: str, report: Callable[[RestoredPage, float], None]) -> Restored:
    """Restore all missing rows; `report` receives each page and the share of the work that is done, from 0 to 1.

    Raises:
        Conflict: another restore is running (`restore-running`).
    """
    restored = Restored(0, Counter(), 0)

    def count(page: RestoredPage, done: float) -> None:
        restored.compared += page.compared
        restored.added += page.added
        restored.differences += len(page.differences)
        report(page, done)

    async with _exclusive(database):
        await missing_rows.advance_serials(database)
        last = await event_log.last_position(database) or 1
        async for position, keys in _pages(database, SessionCreated.topic):
            count(await _restore(database, [UUID(key) for key in keys], _restore_sessions), min(position / last, 1))
        async for _, keys in _pages(database, PaymentUnmatched.topic):
            count(await _restore(database, keys, _restore_payments), 1)
        async with database.transaction() as tx:
            await audit_log.record(
                tx,
                actor,
                "restore",
                "order",
                compared=restored.compared,
                added=dict(restored.added),
                differences=restored.differences,
            )
    return restored


@asynccontextmanager
async def _exclusive(database: Database) -> AsyncIterator[None]:
    """Hold an advisory lock in a transaction of its own, on a connection that does nothing else."""
    async with database.transaction() as tx:
        if not await missing_rows.lock_restore(tx):
            raise RestoreRunning
        yield


async def _pages(database: Database, topic: str) -> AsyncIterator[tuple[int, list[str]]]:
    """Yield the keys of the events of a topic, page by page, with the position of the last."""
    position = 0
    while page := await event_log.read_after(database, position, limit=_PAGE, topics=[topic]):
        position = page[-1].position
        yield position, list(dict.fromkeys(entry.envelope.key for entry in page))


async def _restore(
    database: Database, keys: Sequence[Key], restore: Callable[[Transaction, Sequence[Key]], Awaitable[RestoredPage]]
) -> RestoredPage:
    """Restore a page in one transaction, or each half by itself if the page has too many events."""
    try:
        return await _with_retries(database, lambda tx: restore(tx, keys))
    except TooManyEvents:
        middle = len(keys) // 2
        if not middle:
            raise
    return await _restore(database, keys[:middle], restore) + await _restore(database, keys[middle:], restore)


async def _with_retries(database: Database, restore: Callable[[Transaction], Awaitable[RestoredPage]]) -> RestoredPage:
    attempts = 0
    while True:
        try:
            async with database.transaction() as tx:
                await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                return await restore(tx)
        except Exception as error:
            # The snapshot fails if the order service changes a row of the page meanwhile.
            attempts += 1
            if attempts == _ATTEMPTS or transient(error) is None:
                raise


async def _restore_sessions(tx: Transaction, ids: Sequence[UUID]) -> RestoredPage:
    events = await session_projection.logged_events(tx, ids)
    logged = {session_id: fold(events[session_id]) for session_id in ids}
    stored = await session_projection.stored_projections(tx, ids)
    # A log that contradicts itself is only reported: rows made from it might pay or refund twice.
    consistent = [session for session in logged.values() if session is not None and not session.violations]
    added = await missing_rows.insert_missing(tx, consistent, stored)
    if added:
        stored = await session_projection.stored_projections(tx, ids)
    differences = [
        RowDifference(f"session {session_id}", difference.field, difference.stored, difference.logged)
        for session_id in ids
        for difference in session_differences(session_id, stored.get(session_id), logged[session_id])
    ]
    return RestoredPage(len(ids), added, differences)


async def _restore_payments(tx: Transaction, payment_ids: Sequence[str]) -> RestoredPage:
    events = await session_projection.logged_payment_events(tx, payment_ids)
    logged: dict[str, UnmatchedPaymentProjection] = {}
    violations = []
    for payment_id in payment_ids:
        payment: UnmatchedPaymentProjection | None = None
        for event, origin in events[payment_id]:
            evolved = evolve_unmatched(payment, event, origin)
            if evolved is None:
                violations.append(RowDifference(f"unmatched payment {payment_id}", "violations", None, event.topic))
            payment = evolved or payment
        if payment is not None:
            logged[payment_id] = payment
    stored = await session_projection.stored_unmatched_payments(tx, payment_ids)
    added = await missing_rows.insert_missing_payments(tx, logged, stored)
    if added:
        stored = await session_projection.stored_unmatched_payments(tx, payment_ids)
    differences = [
        RowDifference(f"unmatched payment {payment_id}", *difference)
        for payment_id, payment in logged.items()
        for difference in field_differences(_fields(stored.get(payment_id)), _fields(payment))
    ]
    return RestoredPage(len(payment_ids), added, violations + differences)


def _fields(payment: UnmatchedPaymentProjection | None) -> dict[str, Any]:
    fields: dict[str, Any] = {} if payment is None else msgspec.to_builtins(payment)
    return fields

"""A snapshot of all databases of a marketplace, and the check that its money, stock, orders and events agree."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from tests.journeys.marketplace import Marketplace
from tests.waiting import until

Row = dict[str, Any]
SETTLED_WITHIN: Final = 60.0
"""Seconds. A killed process keeps its leases for up to 15 s, and open sessions have to expire."""
_UNDONE: Final = {
    "order": (
        "SELECT 'session' AS what, count(*) AS n FROM sessions"
        " WHERE coalesce(expiry_due_at, release_due_at, completion_due_at) IS NOT NULL"
        " UNION ALL SELECT 'unmatched payment', count(*) FROM unmatched_payments WHERE refund_due_at IS NOT NULL"
        " UNION ALL SELECT 'event', count(*) FROM outbox"
    ),
    "simulator": "SELECT 'webhook' AS what, count(*) AS n FROM webhooks WHERE due_at IS NOT NULL",
    "product": "SELECT 'hold' AS what, count(*) AS n FROM stock_holds WHERE state = 'held'",
}


@dataclass(frozen=True)
class Snapshot:
    """The rows of all services after all work is done."""

    sessions: list[Row]
    orders: list[Row]
    events: list[Row]
    unmatched_payments: list[Row]
    payments: list[Row]
    products: list[Row]
    stock_holds: list[Row]
    notifications: list[Row]

    def of_trace(self, trace_id: str) -> list[Row]:
        """Return the sessions created in a trace."""
        return [session for session in self.sessions if trace_id in session["traceparent"]]

    def orders_of(self, session: Row) -> list[Row]:
        """Return the orders of a session."""
        return [order for order in self.orders if order["session_id"] == session["id"]]

    def payment_of(self, session: Row) -> Row | None:
        """Return the provider's payment of a session."""
        return next((one for one in self.payments if one["reference"] == session["id"]), None)

    def assert_reconciled(self, stock: dict[str, int]) -> None:
        """Check that money, stock, orders and events agree; `stock` is the initial stock of each product."""
        self._payments_have_orders_or_refunds()
        self._sessions_have_ended()
        self._stock_is_conserved(stock)
        self._events_were_notified_once()

    def _payments_have_orders_or_refunds(self) -> None:
        by_id = {session["id"]: session for session in self.sessions}
        for payment in self.payments:
            session = by_id.get(payment["reference"])
            if payment["status"] == "paid":
                assert session is not None, payment
                assert session["status"] == "paid", (payment, session)
                assert session["payment_id"] == payment["id"]
            elif payment["status"] == "refunded":
                assert session is None or session["status"] != "paid", (payment, session)
        for session in self.sessions:
            shops = {line["shop_id"] for line in json.loads(session["lines"])}
            orders = self.orders_of(session)
            wanted = shops if session["status"] == "paid" else set()
            assert Counter(str(order["shop_id"]) for order in orders) == Counter(wanted), session
            if orders:
                assert sum(order["total"] for order in orders) == session["total"]

    def _sessions_have_ended(self) -> None:
        assert {session["status"] for session in self.sessions} <= {
            "paid",
            "refunded",
            "failed",
            "expired",
            "cancelled",
        }
        assert [payment for payment in self.unmatched_payments if payment["refund_id"] is None] == []

    def _stock_is_conserved(self, stock: dict[str, int]) -> None:
        sold: Counter[str] = Counter()
        for session in self.sessions:
            if session["status"] == "paid":
                for line in json.loads(session["lines"]):
                    sold[line["product_id"]] += line["quantity"]
        for product in self.products:
            name = str(product["id"])
            assert (product["held"], product["sold"]) == (0, sold[name]), product
            assert product["stock"] + product["sold"] == stock[name], product
        states = Counter(one["state"] for one in self.stock_holds)
        assert states["held"] == 0
        assert states["sold"] == len([one for one in self.sessions if one["status"] == "paid"])

    def _events_were_notified_once(self) -> None:
        created = [event for event in self.events if event["topic"] == "order.created"]
        assert Counter(event["key"] for event in created) == Counter(str(order["id"]) for order in self.orders)
        notified = Counter(
            str(note["source_event_id"]) for note in self.notifications if note["kind"] == "order-created"
        )
        assert notified == Counter(str(event["event_id"]) for event in created)
        refunds = [event for event in self.events if event["topic"] == "payment.refunded"]
        notified = Counter(
            str(note["source_event_id"]) for note in self.notifications if note["kind"] == "payment-refunded"
        )
        assert notified == Counter(str(event["event_id"]) for event in refunds)
        returned = [one for one in self.sessions if one["status"] == "refunded"]
        assert len(refunds) == len(returned) + len(
            [payment for payment in self.unmatched_payments if payment["buyer_id"]]
        )


async def snapshot_at_rest(market: Marketplace, *, timeout: float = SETTLED_WITHIN) -> Snapshot:
    """Wait until no work is pending, and return the snapshot."""

    async def left() -> Row:
        undone = await pending_work(market)
        if not undone:
            missing = await _unnotified_events(market)
            undone.update({"untold event": missing} if missing else {})
        return undone

    await wait_until_empty(left, "the snapshot are at rest", timeout=timeout)
    return await take_snapshot(market)


async def wait_until_empty(left: Callable[[], Awaitable[Row]], what: str, *, timeout: float) -> None:
    """Wait until `left` returns nothing; an unavailable database is retried."""
    found: Row = {}

    async def nothing_is_left() -> bool:
        found.clear()
        try:
            found.update(await left())
        except (OSError, asyncpg.PostgresError) as error:
            found["database"] = repr(error)
        await asyncio.sleep(0.1)
        return not found

    try:
        await until(nothing_is_left, what, timeout=timeout)
    except AssertionError as error:
        raise AssertionError(f"{error}: {found}") from None


async def pending_work(market: Marketplace) -> Row:
    """Return the number of pending items of each kind of work."""
    undone: Row = {}
    for service, query in _UNDONE.items():
        undone.update({row["what"]: row["n"] for row in await market.rows(service, query) if row["n"]})
    return undone


async def take_snapshot(market: Marketplace) -> Snapshot:
    """Read the snapshot now."""
    return Snapshot(
        sessions=await market.rows("order", "SELECT * FROM sessions"),
        orders=await market.rows("order", "SELECT * FROM orders"),
        events=await market.rows("order", "SELECT event_id, topic, key FROM event_log"),
        unmatched_payments=await market.rows("order", "SELECT * FROM unmatched_payments"),
        payments=await market.rows("simulator", "SELECT * FROM payments"),
        products=await market.rows("product", "SELECT id, stock, held, sold FROM products"),
        stock_holds=await market.rows("product", "SELECT session_id, state FROM stock_holds"),
        notifications=await market.rows("admin", "SELECT source_event_id, kind FROM notifications"),
    )


async def _unnotified_events(market: Marketplace) -> int:
    """Return how many events have no notification yet."""
    events = await market.rows(
        "order", "SELECT event_id FROM event_log WHERE topic IN ('order.created', 'payment.refunded')"
    )
    ids = [row["event_id"] for row in events]
    (notified,) = await market.rows(
        "admin", "SELECT count(DISTINCT source_event_id) AS n FROM notifications WHERE source_event_id = ANY($1)", ids
    )
    return len(ids) - int(notified["n"])

"""The books of a whole marketplace, read from its databases: money, goods, orders, events and what was told of them."""

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
"""Seconds: whatever a dead process had taken on is its own for up to 15 s, and a session ends when its time is over."""
_UNDONE: Final = {
    "order": (
        "SELECT 'session' AS what, count(*) AS n FROM sessions WHERE coalesce(ends_at, release_at, work_at) IS NOT NULL"
        " UNION ALL SELECT 'stray money', count(*) FROM stray_payments WHERE work_at IS NOT NULL"
        " UNION ALL SELECT 'event', count(*) FROM outbox"
    ),
    "simulator": "SELECT 'webhook' AS what, count(*) AS n FROM deliveries WHERE due_at IS NOT NULL",
    "product": "SELECT 'hold' AS what, count(*) AS n FROM stock_sessions WHERE state = 'held'",
}


@dataclass(frozen=True)
class Books:
    """Everything that is written, after it has come to rest."""

    sessions: list[Row]
    orders: list[Row]
    events: list[Row]
    strays: list[Row]
    payments: list[Row]
    products: list[Row]
    stock_sessions: list[Row]
    notifications: list[Row]

    def of_trace(self, trace_id: str) -> list[Row]:
        """The sessions that were made in a trace."""
        return [session for session in self.sessions if trace_id in session["traceparent"]]

    def orders_of(self, session: Row) -> list[Row]:
        """The orders that came of a session."""
        return [order for order in self.orders if order["session_id"] == session["id"]]

    def payment_of(self, session: Row) -> Row | None:
        """The provider's side of a session."""
        return next((one for one in self.payments if one["reference"] == session["id"]), None)

    def are_right(self, stock: dict[str, int]) -> None:
        """Check them; `stock` is what was there of each product before anybody bought."""
        self._money_has_orders_or_went_back()
        self._sessions_have_ended()
        self._goods_are_all_there(stock)
        self._every_order_was_told_once()

    def _money_has_orders_or_went_back(self) -> None:
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
        assert {session["status"] for session in self.sessions} <= {"paid", "refunded", "failed", "expired"}
        assert [stray for stray in self.strays if stray["refund_id"] is None] == []

    def _goods_are_all_there(self, stock: dict[str, int]) -> None:
        sold: Counter[str] = Counter()
        for session in self.sessions:
            if session["status"] == "paid":
                for line in json.loads(session["lines"]):
                    sold[line["product_id"]] += line["quantity"]
        for product in self.products:
            name = str(product["id"])
            assert (product["held"], product["sold"]) == (0, sold[name]), product
            assert product["stock"] + product["sold"] == stock[name], product
        states = Counter(one["state"] for one in self.stock_sessions)
        assert states["held"] == 0
        assert states["sold"] == len([one for one in self.sessions if one["status"] == "paid"])

    def _every_order_was_told_once(self) -> None:
        created = [event for event in self.events if event["topic"] == "order.created"]
        assert Counter(event["key"] for event in created) == Counter(str(order["id"]) for order in self.orders)
        told = Counter(str(note["source_event_id"]) for note in self.notifications if note["kind"] == "order-created")
        assert told == Counter(str(event["event_id"]) for event in created)
        refunds = [event for event in self.events if event["topic"] == "payment.refunded"]
        told = Counter(
            str(note["source_event_id"]) for note in self.notifications if note["kind"] == "payment-refunded"
        )
        assert told == Counter(str(event["event_id"]) for event in refunds)
        returned = [one for one in self.sessions if one["status"] == "refunded"]
        assert len(refunds) == len(returned) + len([stray for stray in self.strays if stray["buyer_id"]])


async def settled(market: Marketplace, *, within: float = SETTLED_WITHIN) -> Books:
    """The books, once nothing is left to be done by anybody."""

    async def left() -> Row:
        undone = await undone_in(market)
        if not undone:
            missing = await _untold(market)
            undone.update({"untold event": missing} if missing else {})
        return undone

    await until_none(left, "the books are at rest", within=within)
    return await books_of(market)


async def until_none(left: Callable[[], Awaitable[Row]], what: str, *, within: float) -> None:
    """Wait until nothing is left; a database that is away is waited for too."""
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
        await until(nothing_is_left, what, within=within)
    except AssertionError as error:
        raise AssertionError(f"{error}: {found}") from None


async def undone_in(market: Marketplace) -> Row:
    """What is left to be done of each kind of work."""
    undone: Row = {}
    for service, query in _UNDONE.items():
        undone.update({row["what"]: row["n"] for row in await market.rows(service, query) if row["n"]})
    return undone


async def books_of(market: Marketplace) -> Books:
    """The books as they are now."""
    return Books(
        sessions=await market.rows("order", "SELECT * FROM sessions"),
        orders=await market.rows("order", "SELECT * FROM orders"),
        events=await market.rows("order", "SELECT event_id, topic, key FROM event_log"),
        strays=await market.rows("order", "SELECT * FROM stray_payments"),
        payments=await market.rows("simulator", "SELECT * FROM payments"),
        products=await market.rows("product", "SELECT id, stock, held, sold FROM products"),
        stock_sessions=await market.rows("product", "SELECT session_id, state FROM stock_sessions"),
        notifications=await market.rows("admin", "SELECT source_event_id, kind FROM notifications"),
    )


async def _untold(market: Marketplace) -> int:
    """How many events nobody has been notified of yet."""
    events = await market.rows(
        "order", "SELECT event_id FROM event_log WHERE topic IN ('order.created', 'payment.refunded')"
    )
    ids = [row["event_id"] for row in events]
    (told,) = await market.rows(
        "admin", "SELECT count(DISTINCT source_event_id) AS n FROM notifications WHERE source_event_id = ANY($1)", ids
    )
    return len(ids) - int(told["n"])

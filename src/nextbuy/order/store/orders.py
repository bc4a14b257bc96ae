"""The SQL that reads orders, and sessions as their buyers see them."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.order import Address, LastDecline
from nextbuy.contracts.values import Money, OrderNumber, Page, ProductTitle, Timestamp
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, from_row
from nextbuy.order.model import State


class OrderListed(Struct, frozen=True, kw_only=True):
    """An order in a list."""

    id: UUID
    number: OrderNumber
    shop_id: UUID
    status: str
    total: Money
    created_at: Timestamp


class OrderLine(Struct, frozen=True):
    """A line of an order, with the title and price at the time of the order."""

    product_id: UUID
    title: ProductTitle
    quantity: int
    unit_price: Money


class Order(Struct, frozen=True, kw_only=True):
    """One shop's part of a paid checkout."""

    id: UUID
    number: OrderNumber
    session_id: UUID
    shop_id: UUID
    status: str
    lines: list[OrderLine]
    total: Money
    created_at: Timestamp
    address: Address | None


class StoredOrder(Struct, frozen=True):
    """An order with the accounts that may see it."""

    order: Order
    buyer_id: UUID
    seller_id: UUID


class SessionSummary(Struct, frozen=True):
    """A session as its buyer sees it."""

    status: State
    total: Money
    order_ids: list[UUID]
    expires_at: datetime
    payment_url: str | None
    last_decline: LastDecline | None


_lines: Final = msgspec.json.Decoder(list[OrderLine]).decode
_address: Final = msgspec.json.Decoder(Address).decode


async def has_orders(db: Executor, buyer_id: UUID) -> bool:
    """Return whether a buyer has ever paid for an order."""
    return bool(await db.fetchval("SELECT EXISTS (SELECT FROM orders WHERE buyer_id = $1)", buyer_id))


async def address_of(db: Executor, session_id: UUID) -> Address | None:
    """Return the postal address of a session, or None."""
    stored = await db.fetchval("SELECT address FROM postal_addresses WHERE session_id = $1", session_id)
    return None if stored is None else _address(stored)


async def session_summary(db: Executor, session_id: UUID, buyer_id: UUID) -> SessionSummary | None:
    """Return a session of a buyer with the ids of its orders, or None if the buyer has no such session."""
    row = await db.fetchrow(
        """
        SELECT s.status, s.total, s.currency, s.expires_at, s.payment_url, s.decline_code, s.declined_at,
               ARRAY(SELECT o.id FROM orders AS o WHERE o.session_id = s.id ORDER BY o.id) AS order_ids
          FROM sessions AS s WHERE s.id = $1 AND s.buyer_id = $2
        """,
        session_id,
        buyer_id,
    )
    if row is None:
        return None
    return from_row(SessionSummary, row, status=State(row["status"]), total=_total(row), last_decline=last_decline(row))


def last_decline(row: Row) -> LastDecline | None:
    """Return the last declined card of a session in its row, or None."""
    return None if row["decline_code"] is None else LastDecline(row["decline_code"], row["declined_at"])


async def order(db: Executor, order_id: UUID) -> StoredOrder | None:
    """Return an order with its lines, or None."""
    row = await db.fetchrow(
        """
        SELECT o.*, a.address,
               (SELECT jsonb_agg(
                           jsonb_build_object('product_id', l.product_id, 'title', l.title, 'quantity', l.quantity,
                               'unit_price', jsonb_build_object('amount', l.unit_price, 'currency', o.currency))
                           ORDER BY l.position)
                  FROM order_lines AS l WHERE l.order_id = o.id) AS lines
          FROM orders AS o LEFT JOIN postal_addresses AS a USING (session_id) WHERE o.id = $1
        """,
        order_id,
    )
    if row is None:
        return None
    address = None if row["address"] is None else _address(row["address"])
    details = from_row(Order, row, lines=_lines(row["lines"]), total=_total(row), address=address)
    return StoredOrder(details, row["buyer_id"], row["seller_id"])


async def order_ids_by_number(db: Executor, session_id: UUID) -> dict[str, UUID]:
    """Return the orders of a session, by their numbers."""
    rows = await db.fetch("SELECT number, id FROM orders WHERE session_id = $1", session_id)
    return {row["number"]: row["id"] for row in rows}


class OrderAccess(Struct, frozen=True):
    """The accounts that may see an order, with its session and total."""

    session_id: UUID
    buyer_id: UUID
    seller_id: UUID
    shop_id: UUID
    total: Money


async def order_access(db: Executor, order_id: UUID) -> OrderAccess | None:
    """Return the accounts that may see an order, or None if it does not exist."""
    row = await db.fetchrow(
        "SELECT session_id, buyer_id, seller_id, shop_id, total, currency FROM orders WHERE id = $1", order_id
    )
    return None if row is None else from_row(OrderAccess, row, total=_total(row))


_LIST: Final = """
    SELECT id, number, shop_id, status, total, currency, created_at FROM orders
     WHERE {owner} = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""
_LISTS: Final = {column: _LIST.format(owner=column) for column in ("buyer_id", "seller_id")}


async def orders_of_buyer(db: Executor, buyer_id: UUID, *, limit: int, cursor: str | None) -> Page[OrderListed]:
    """Return a page of a buyer's orders, newest first; an invalid cursor is `Unprocessable`."""
    return await _page(db, "buyer_id", buyer_id, limit, cursor)


async def orders_of_seller(db: Executor, seller_id: UUID, *, limit: int, cursor: str | None) -> Page[OrderListed]:
    """Return a page of the orders of a seller's shop, newest first; an invalid cursor is `Unprocessable`."""
    return await _page(db, "seller_id", seller_id, limit, cursor)


async def _page(
    db: Executor, column: Literal["buyer_id", "seller_id"], owner: UUID, limit: int, cursor: str | None
) -> Page[OrderListed]:
    listed = ("orders", column, owner)
    last = None if cursor is None else decode_cursor(listed, cursor, UUID)[0]
    rows = await db.fetch(_LISTS[column], owner, last, limit + 1)
    items = [from_row(OrderListed, row, total=_total(row)) for row in rows[:limit]]
    return Page(items, encode_cursor(listed, items[-1].id) if len(rows) > limit else None)


def _total(row: Row) -> Money:
    return Money(row["total"], row["currency"])

"""Operators count and list orders and payments by status, from the index that events fill."""

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec import UNSET

from nextbuy.admin import search_store
from nextbuy.admin.count_by_status import count_by_status
from nextbuy.admin.deps import Deps
from nextbuy.admin.list_by_status import ListByStatus, list_by_status
from nextbuy.admin.search_store import _BY_STATUS, _COUNT, StatusCount
from nextbuy.admin.update_search_index import update_search_index
from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderRefunded, PaymentFailed, SessionCreated, SessionExpired
from nextbuy.contracts.values import Money, new_id
from nextbuy.kit.clock import utc_now
from tests.callers import caller
from tests.inbound import handle, inbound, order

BUYER = new_id()


def created(session_id: UUID) -> SessionCreated:
    return SessionCreated(session_id=session_id, buyer_id=BUYER, total=Money(1_999), lines=[], expires_at=utc_now())


def failed(session_id: UUID) -> PaymentFailed:
    return PaymentFailed(session_id=session_id, buyer_id=BUYER, reason="declined")


async def index(deps: Deps, *events: Event) -> None:
    start = utc_now() - timedelta(hours=1)
    timed = [inbound(event, at=start + timedelta(seconds=second)) for second, event in enumerate(events)]
    await handle(update_search_index, deps, *timed)


async def counted(deps: Deps, operator: Account) -> dict[str, int]:
    counts = await count_by_status(deps, caller(operator))
    by_kind = {"order": counts.orders, "payment": counts.payments}
    return {f"{kind} {one.status}": one.count for kind, ones in by_kind.items() for one in ones if one.count}


async def test_orders_and_payments_are_counted_by_their_latest_status(deps: Deps, operator: Account) -> None:
    one, other, third = new_id(), new_id(), new_id()
    bought, returned = order(), order()
    ids = ("order_id", "number", "session_id", "buyer_id", "seller_id", "shop_id", "total")
    refunded = OrderRefunded(**{name: getattr(returned, name) for name in ids}, reason="order-refunded")

    await index(deps, created(one), created(other), created(third), bought, returned)
    await index(deps, failed(one), SessionExpired(session_id=other, buyer_id=BUYER), refunded)

    assert await counted(deps, operator) == {
        "order paid": 1,
        "order refunded": 1,
        "payment opening": 1,
        "payment failed": 1,
        "payment expired": 1,
    }


async def test_count_is_bounded_and_says_so(deps: Deps, operator: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_store, "MAX_COUNT", 2)
    await index(deps, *(created(new_id()) for _ in range(2)))
    opening = (await count_by_status(deps, caller(operator))).payments[0]
    assert opening == StatusCount("opening", 2, more=False)

    await index(deps, created(new_id()))

    opening = (await count_by_status(deps, caller(operator))).payments[0]
    assert opening == StatusCount("opening", 2, more=True)


async def test_list_shows_each_entry_once_newest_first(deps: Deps, operator: Account) -> None:
    sessions = [new_id() for _ in range(5)]
    await index(deps, *map(created, sessions), *map(failed, sessions), created(new_id()), order())

    found: list[str] = []
    request = ListByStatus(kind="payment", status="failed", limit=2)
    while True:
        page = await list_by_status(deps, caller(operator), request)
        found += [one.id for one in page.items]
        assert {(one.status, one.reason, one.person_id) for one in page.items} == {("failed", "declined", BUYER)}
        if page.next_cursor is None:
            break
        request = ListByStatus(kind="payment", status="failed", limit=2, cursor=page.next_cursor)

    assert found == [str(session_id) for session_id in reversed(sessions)]
    assert request.cursor is not UNSET
    with pytest.raises(Unprocessable):
        await list_by_status(deps, caller(operator), ListByStatus(kind="payment", status="open", cursor=request.cursor))


async def test_entries_of_one_moment_are_listed_once(deps: Deps, operator: Account) -> None:
    sessions, at = [new_id() for _ in range(3)], utc_now()
    await handle(update_search_index, deps, *(inbound(created(session_id), at=at) for session_id in sessions))

    first = await list_by_status(deps, caller(operator), ListByStatus(kind="payment", status="opening", limit=2))
    rest = await list_by_status(
        deps,
        caller(operator),
        ListByStatus(kind="payment", status="opening", limit=2, cursor=first.next_cursor or ""),
    )

    assert sorted(one.id for one in [*first.items, *rest.items]) == sorted(map(str, sessions))


async def test_counts_and_lists_are_read_from_the_index(deps: Deps) -> None:
    async with deps.database.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        await tx.execute("SET LOCAL enable_bitmapscan = off")
        listed = await tx.fetch(f"EXPLAIN {_BY_STATUS}", "payment", "failed", utc_now(), "a", 20)
        count = await tx.fetch(f"EXPLAIN {_COUNT}", "payment", ["failed"], 1_001)

    for plan in (listed, count):
        assert "search_entries_by_status" in "\n".join(row[0] for row in plan)

"""New products are counted in one notification per shop and day, which does not count as unread."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from nextbuy.admin import store
from nextbuy.admin.count_new_products import count_new_products
from nextbuy.admin.create_notification import create_notification
from nextbuy.admin.deps import Deps
from nextbuy.admin.notifications import notifications
from nextbuy.admin.read_all_notifications import read_all_notifications
from nextbuy.admin.read_notification import ReadNotification, read_notification
from nextbuy.admin.service import SERVICE
from nextbuy.admin.unread_notifications import unread_notifications
from nextbuy.contracts.auth import Account
from nextbuy.contracts.product import ProductCreated
from nextbuy.contracts.values import Money, Notification, PageRequest, new_id
from nextbuy.kit.events.inbound import InboundEvent
from tests.callers import caller
from tests.inbound import SHOP, Delivery, assert_fixed_lock_order, handle, inbound, order

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def created(at: datetime = NOON, shop_id: UUID = SHOP) -> InboundEvent:
    event = ProductCreated(
        product_id=new_id(),
        shop_id=shop_id,
        shop_name="Clay & Co",
        seller_id=new_id(),
        title="Mug",
        status="active",
        category="Kitchen",
        price=Money(2_500),
        score=100,
    )
    return inbound(event, at)


async def listed(deps: Deps, who: Account) -> list[Notification]:
    return (await notifications(deps, caller(who), PageRequest())).items


async def test_new_products_are_counted_per_shop_and_day_in_one_statement(deps: Deps, operator: Account) -> None:
    other = new_id()
    batch = [created(), created(), created(NOON + DAY), created(NOON, other), created()]

    statements = await handle(count_new_products, deps, *batch)
    await handle(count_new_products, deps, created())

    assert statements == 1
    rows = await deps.database.fetch("SELECT shop_id, day, products FROM notifications")
    assert {tuple(row) for row in rows} == {
        (SHOP, NOON.date(), 4),
        (SHOP, (NOON + DAY).date(), 1),
        (other, NOON.date(), 1),
    }
    assert len(await listed(deps, operator)) == 3


async def test_notification_is_listed_with_its_number(deps: Deps, operator: Account) -> None:
    await handle(count_new_products, deps, created())
    [one] = await listed(deps, operator)

    await handle(count_new_products, deps, created(), created())

    [three] = await listed(deps, operator)
    assert (one.id, one.kind, one.title) == (three.id, "new-products", "New products of Clay & Co")
    assert one.message == "1 new product on November 20, 2026 (UTC)."
    assert three.message == "3 new products on November 20, 2026 (UTC)."
    read = await read_notification(deps, caller(operator), ReadNotification(three.id))
    assert (read.message, read.read) == (three.message, True)


async def test_days_are_those_of_utc(deps: Deps) -> None:
    late = datetime.fromisoformat("2026-11-20T23:30:00-05:00")

    await handle(count_new_products, deps, created(late))

    assert await deps.database.fetchval("SELECT day FROM notifications") == datetime(2026, 11, 21, tzinfo=UTC).date()


async def test_new_products_do_not_count_as_unread(deps: Deps, operator: Account) -> None:
    await handle(count_new_products, deps, created(), created())

    assert (await unread_notifications(deps, caller(operator))).unread == 0
    assert len(await listed(deps, operator)) == 1


async def test_reading_all_marks_new_products_and_returns_number_of_others(deps: Deps, operator: Account) -> None:
    await handle(count_new_products, deps, created(), created(NOON + DAY))
    await handle(create_notification, deps, inbound(order()), inbound(order()))
    assert (await unread_notifications(deps, caller(operator))).unread == 2

    assert (await read_all_notifications(deps, caller(operator))).read == 2
    assert (await read_all_notifications(deps, caller(operator))).read == 0

    assert [note.read for note in await listed(deps, operator)] == [True] * 4


async def test_reading_all_marks_counted_notifications_first(
    deps: Deps, operator: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MAX_MARKED", 2)
    await handle(count_new_products, deps, created(), created(NOON + DAY))
    await handle(create_notification, deps, inbound(order()), inbound(order()))

    assert (await read_all_notifications(deps, caller(operator))).read == 2

    assert (await unread_notifications(deps, caller(operator))).unread == 0


@pytest.mark.parametrize("arrival", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_position_decides_between_products_of_the_same_time(
    deps: Deps, operator: Account, arrival: tuple[int, ...]
) -> None:
    events = [replace(created(NOON), position=position) for position in (8, 9, 10)]

    await handle(count_new_products, deps, events[arrival[0]])
    await handle(count_new_products, deps, events[arrival[1]], events[arrival[2]])

    [note] = await listed(deps, operator)
    assert note.source_event_id == events[2].id


async def test_notification_shows_the_latest_product_however_events_arrive(deps: Deps, operator: Account) -> None:
    events = [created(NOON + timedelta(minutes=n)) for n in range(4)]

    await handle(count_new_products, deps, events[3], events[1])
    await handle(count_new_products, deps, events[2], events[0])

    [note] = await listed(deps, operator)
    newest = events[3]
    assert (note.created_at, note.source_event_id) == (newest.envelope.time, newest.id)
    assert isinstance(newest.event, ProductCreated)
    assert note.link == f"/product/{newest.event.product_id}"


async def test_concurrent_batches_of_two_shops_do_not_deadlock(deps: Deps) -> None:
    first, last = (created(shop_id=shop_id) for shop_id in sorted((new_id(), new_id())))

    await assert_fixed_lock_order(count_new_products, deps, first, last)

    rows = await deps.database.fetch("SELECT products FROM notifications")
    assert [row["products"] for row in rows] == [2, 2]


async def test_product_delivered_repeatedly_is_counted_once(deps: Deps) -> None:
    delivery = Delivery(SERVICE, deps, deps.database)
    events = [created() for _ in range(10)]
    await delivery()

    await asyncio.gather(*(delivery(*batch) for batch in (events, events[::-1], events[:5], events)))

    assert await deps.database.fetchval("SELECT products FROM notifications") == 10

"""What pages tell of their readers, added up and published."""

import asyncio
import dataclasses
from typing import Any

import pytest
from msgspec import ValidationError, convert

from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database
from nextbuy.product import activity
from nextbuy.product.flush_activity import flush_activity
from nextbuy.product.record_activity import RecordActivity, record_activity
from tests.callers import caller
from tests.conftest import DatabaseUrl
from tests.outbox import data, published
from tests.product.service_harness import Desk


async def tell(desk: Desk, *items: tuple[object, str]) -> None:
    ask = {"items": [{"product_id": str(product_id), "action": action} for product_id, action in items]}
    await record_activity(desk.product, caller(None), convert(ask, RecordActivity))


async def said(desk: Desk) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for envelope in await published(desk.database):
        found.setdefault(envelope.type, []).append(data(envelope))
    return found


async def test_what_happens_to_a_product_within_a_second_is_one_event(desk: Desk) -> None:
    seller = await desk.seller()
    mug, kettle = await desk.offer(seller, "Blue mug"), await desk.offer(seller)
    for _ in range(3):
        await tell(desk, (mug.id, "viewed"), (kettle.id, "viewed"), (mug.id, "viewed"))
    await tell(desk, (mug.id, "added-to-basket"))
    await flush_activity(desk.product)
    await flush_activity(desk.product)
    told = await said(desk)
    assert {one["product_id"]: one["views"] for one in told["product.viewed"]} == {str(mug.id): 6, str(kettle.id): 3}
    [added] = told["product.added-to-basket"]
    assert (added["product_id"], added["times"], added["seller_id"]) == (str(mug.id), 1, str(seller.id))
    assert added["hour"].endswith(":00:00Z")


async def test_what_nobody_may_see_is_not_counted(desk: Desk) -> None:
    seller = await desk.seller("pending")
    hidden = await desk.offer(seller)
    await tell(desk, (hidden.id, "viewed"), (new_id(), "viewed"))
    await flush_activity(desk.product)
    assert "product.viewed" not in await said(desk)


async def test_what_there_is_no_room_for_is_dropped_and_said_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(activity, "MOST", 2)
    seller = await desk.seller()
    products = [await desk.offer(seller, f"Mug {n}") for n in range(3)]
    await tell(desk, *[(product.id, "viewed") for product in products for _ in range(4)])
    await flush_activity(desk.product)
    told = (await said(desk))["product.viewed"]
    assert {one["product_id"]: one["views"] for one in told} == {str(product.id): 4 for product in products[:2]}
    assert "4 views and baskets" in caplog.text


async def test_views_outlive_a_database_that_is_away(desk: Desk, database_url: DatabaseUrl) -> None:
    seller = await desk.seller()
    mug = await desk.offer(seller)
    other = await Database.connect(await database_url("product"), "product")
    await other.close()
    away = replace_database(desk, other)
    await tell(away, (mug.id, "viewed"))
    await flush_activity(away.product)
    await tell(away, (mug.id, "viewed"))
    back = replace_database(away, desk.database)
    await asyncio.gather(*(flush_activity(back.product) for _ in range(5)))
    [event] = (await said(desk))["product.viewed"]
    assert event["views"] == 2


def replace_database(desk: Desk, database: Database) -> Desk:
    other = Desk(desk.database, journal=desk.product.journal, calls=desk.calls)
    other.product = dataclasses.replace(desk.product, database=database)
    return other


@pytest.mark.parametrize(
    "ask",
    [
        {"items": []},
        {"items": [{"product_id": str(new_id()), "action": "viewed"}] * 51},
        {"items": [{"product_id": "1", "action": "viewed"}]},
        {"items": [{"product_id": str(new_id()), "action": "stolen"}]},
    ],
    ids=["none", "too many", "no id", "no action"],
)
def test_what_cannot_be_meant_is_not_read(ask: object) -> None:
    with pytest.raises(ValidationError):
        convert(ask, RecordActivity)

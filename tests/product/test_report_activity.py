"""Views and basket additions are added up and published."""

import asyncio
import dataclasses
from typing import Any

import pytest
from msgspec import ValidationError, convert

from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database
from nextbuy.product import activity_buffer
from nextbuy.product.flush_activity import flush_activity
from nextbuy.product.report_activity import ReportActivity, report_activity
from tests.callers import caller
from tests.conftest import DatabaseUrl
from tests.outbox import data, published
from tests.product.service_harness import ServiceHarness


async def report(service: ServiceHarness, *items: tuple[object, str]) -> None:
    body = {"items": [{"product_id": str(product_id), "action": action} for product_id, action in items]}
    await report_activity(service.deps, caller(None), convert(body, ReportActivity))


async def events_by_topic(service: ServiceHarness) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for envelope in await published(service.database):
        found.setdefault(envelope.type, []).append(data(envelope))
    return found


async def test_actions_on_a_product_are_added_up_in_one_event(service: ServiceHarness) -> None:
    seller = await service.seller()
    mug, kettle = await service.create_product(seller, "Blue mug"), await service.create_product(seller)
    for _ in range(3):
        await report(service, (mug.id, "viewed"), (kettle.id, "viewed"), (mug.id, "viewed"))
    await report(service, (mug.id, "added-to-basket"))

    await flush_activity(service.deps)
    await flush_activity(service.deps)
    events = await events_by_topic(service)

    assert {one["product_id"]: one["views"] for one in events["product.viewed"]} == {str(mug.id): 6, str(kettle.id): 3}

    [added] = events["product.added-to-basket"]
    assert (added["product_id"], added["times"], added["seller_id"]) == (str(mug.id), 1, str(seller.id))
    assert added["hour"].endswith(":00:00Z")


async def test_products_not_for_sale_are_not_counted(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    hidden = await service.create_product(seller)
    await report(service, (hidden.id, "viewed"), (new_id(), "viewed"))

    await flush_activity(service.deps)

    assert "product.viewed" not in await events_by_topic(service)


async def test_actions_beyond_buffer_limit_are_dropped_and_logged(
    service: ServiceHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(activity_buffer, "MAX_KEYS", 2)
    seller = await service.seller()
    products = [await service.create_product(seller, f"Mug {n}") for n in range(3)]
    await report(service, *[(product.id, "viewed") for product in products for _ in range(4)])

    await flush_activity(service.deps)
    events = (await events_by_topic(service))["product.viewed"]

    assert {one["product_id"]: one["views"] for one in events} == {str(product.id): 4 for product in products[:2]}
    assert "4 views and basket additions lost" in caplog.text


async def test_views_survive_a_database_outage(service: ServiceHarness, database_url: DatabaseUrl) -> None:
    seller = await service.seller()
    mug = await service.create_product(seller)
    other = await Database.connect(await database_url("product"), "product")
    await other.close()
    away = replace_database(service, other)
    await report(away, (mug.id, "viewed"))
    await flush_activity(away.deps)
    await report(away, (mug.id, "viewed"))
    back = replace_database(away, service.database)

    await asyncio.gather(*(flush_activity(back.deps) for _ in range(5)))
    [event] = (await events_by_topic(service))["product.viewed"]

    assert event["views"] == 2


def replace_database(service: ServiceHarness, database: Database) -> ServiceHarness:
    other = ServiceHarness(service.database, journal=service.deps.journal, calls=service.calls)
    other.deps = dataclasses.replace(service.deps, database=database)
    return other


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [{"product_id": str(new_id()), "action": "viewed"}] * 51},
        {"items": [{"product_id": "1", "action": "viewed"}]},
        {"items": [{"product_id": str(new_id()), "action": "stolen"}]},
    ],
    ids=["none", "too many", "no id", "no action"],
)
def test_invalid_request_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        convert(body, ReportActivity)

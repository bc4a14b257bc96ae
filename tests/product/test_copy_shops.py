"""The state of shops, copied from seller's events, decides which products are for sale."""

import itertools
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.message import Event
from nextbuy.contracts.product import CopyShop
from nextbuy.contracts.seller import (
    SellerApproved,
    SellerRegistered,
    SellerRejected,
    SellerSuspended,
    SellerUpdated,
    Shop,
)
from nextbuy.contracts.values import ShopStatus
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.product.copy_shop import copy_shop
from nextbuy.product.copy_shops import copy_shops
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.service import SERVICE
from nextbuy.product.store.changes import changes_since
from tests.callers import caller
from tests.inbound import Delivery, assert_fixed_lock_order, handle, inbound
from tests.product.service_harness import ServiceHarness, shown

EVENT_OF: dict[ShopStatus, type[Any]] = {
    "pending": SellerRegistered,
    "approved": SellerApproved,
    "rejected": SellerRejected,
    "suspended": SellerSuspended,
}


def update(status: ShopStatus, shop: Shop, version: int) -> InboundEvent:
    fields: dict[str, Any] = {"reason": "No papers"} if status in {"rejected", "suspended"} else {}
    event: Event = EVENT_OF[status](
        shop_id=shop.id,
        user_id=shop.seller_id,
        shop_name=shop.name,
        shop_slug=shop.slug,
        status=status,
        shop_version=version,
        **fields,
    )
    return inbound(event)


async def apply(service: ServiceHarness, *updates: InboundEvent) -> None:
    for event in updates:
        await handle(copy_shops, service.deps, event)


async def test_products_appear_on_approval_and_disappear_on_suspension(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    kettle, shop = await service.create_product(seller), service.shops[seller.id]

    await apply(service, update("approved", shop, 2))

    assert (await service.get_product(kettle.id)).id == kettle.id

    await apply(service, update("suspended", shop, 3))

    with pytest.raises(NotFound):
        await service.get_product(kettle.id)


async def test_late_and_repeated_updates_keep_latest_version(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    kettle, shop = await service.create_product(seller), service.shops[seller.id]
    approved = update("approved", shop, 3)
    await apply(service, approved, update("rejected", shop, 2), update("pending", shop, 1), approved)

    await apply(service, update("rejected", replace(shop, name="Other"), 2))

    assert (await service.get_product(kettle.id)).id == kettle.id


async def test_call_hides_products_at_once_and_its_event_changes_nothing(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle, shop = await service.create_product(seller), service.shops[seller.id]
    await poll_changes(service.deps)
    listed = partial(get_all_products, service.deps, caller(None), GetAllProducts())
    assert str(kettle.id).encode() in (await listed()).body
    await service.get_product(kettle.id)

    await copy_shop(service.deps, CopyShop(shop=replace(shop, status="suspended", version=shop.version + 1)))

    assert str(kettle.id).encode() not in (await listed()).body
    with pytest.raises(NotFound):
        await service.get_product(kettle.id)
    await apply(service, update("suspended", shop, shop.version + 1), update("approved", shop, shop.version))
    with pytest.raises(NotFound):
        await service.get_product(kettle.id)


async def test_products_show_the_new_name_of_their_shop(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle, shop = await service.create_product(seller), service.shops[seller.id]
    await poll_changes(service.deps)
    assert (await service.get_product(kettle.id)).shop_name == "Clay & Co"
    event = SellerUpdated(
        shop_id=shop.id,
        user_id=shop.seller_id,
        shop_name="Clay & Daughters",
        shop_slug=shop.slug,
        status="approved",
        shop_version=2,
    )

    await apply(service, inbound(event))
    await poll_changes(service.deps)

    assert (await service.get_product(kettle.id)).shop_name == "Clay & Daughters"


async def test_repeated_update_is_no_change(service: ServiceHarness) -> None:
    shop = service.shops[(await service.seller()).id]
    await apply(service, update("approved", shop, 2))
    before = await changes_since(service.database, None)

    await apply(service, update("approved", shop, 2))

    assert (await changes_since(service.database, before.snapshot)).shop_ids == set()


async def test_change_committed_after_a_later_one_is_found(service: ServiceHarness) -> None:
    slow, quick = [service.shops[(await service.seller(name=name)).id] for name in ("Slow", "Quick")]

    async with service.database.transaction() as tx:
        await copy_shops(service.deps, tx, [update("approved", slow, 2)])
        await apply(service, update("approved", quick, 2))
        before = await changes_since(service.database, None)

    assert (await changes_since(service.database, before.snapshot)).shop_ids == {slow.id}


async def test_approval_before_first_product_is_kept(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    await apply(service, update("approved", service.shops[seller.id], 2))

    # The stubbed reply to `validate_shop_owner` is older than the approval.
    kettle = await service.create_product(seller)

    assert await service.get_product(kettle.id) == shown(kettle)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_latest_version_of_a_batch_wins_in_any_order(service: ServiceHarness, order: tuple[int, ...]) -> None:
    shop = service.shops[(await service.seller("pending")).id]
    updates = [update("pending", shop, 1), update("approved", shop, 2), update("suspended", shop, 3)]

    statements = await handle(copy_shops, service.deps, *(updates[n] for n in order))

    assert statements == 1
    rows = await service.database.fetch("SELECT shop_id, status, version FROM shops")
    assert [tuple(row) for row in rows] == [(shop.id, "suspended", 3)]


async def test_shops_of_a_batch_are_stored_by_one_statement(service: ServiceHarness) -> None:
    shops = [service.shops[(await service.seller(name=f"Shop {n}")).id] for n in range(10)]

    statements = await handle(copy_shops, service.deps, *(update("approved", shop, 2) for shop in shops))

    assert statements == 1
    rows = await service.database.fetch("SELECT shop_id, seller_id, name, status, version FROM shops")
    assert {tuple(row) for row in rows} == {(one.id, one.seller_id, one.name, "approved", 2) for one in shops}


async def test_concurrent_batches_of_shops_do_not_deadlock(service: ServiceHarness) -> None:
    shops = [service.shops[(await service.seller(name=name)).id] for name in ("Kiln", "Loom")]
    first, last = (update("approved", shop, 2) for shop in sorted(shops, key=lambda shop: shop.id))

    await assert_fixed_lock_order(copy_shops, service.deps, first, last)

    assert await service.database.fetchval("SELECT count(*) FROM shops WHERE version = 2") == 2


async def test_delivered_shops_keep_their_latest_version_across_calls(service: ServiceHarness) -> None:
    shop = service.shops[(await service.seller("pending")).id]
    delivery = Delivery(SERVICE, service.deps, service.database)
    approved, suspended = update("approved", shop, 2), update("suspended", shop, 3)

    outcomes = [*await delivery(suspended), *await delivery(approved, update("pending", shop, 1))]
    again = await delivery(approved)

    assert (outcomes, again) == (["applied"] * 3, ["duplicate"])
    assert await service.database.fetchval("SELECT status FROM shops") == "suspended"

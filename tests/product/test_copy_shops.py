"""The state of shops decides which products are for sale."""

import pytest
from msgspec.structs import replace

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import UpsertShop
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import ShopStatus
from nextbuy.product.store import shops as store
from nextbuy.product.store.changes import changes_since
from nextbuy.product.upsert_shop import upsert_shop
from tests.product.service_harness import ServiceHarness


def update(status: ShopStatus, shop: Shop, version: int) -> UpsertShop:
    return UpsertShop(
        shop_id=shop.id, seller_id=shop.seller_id, shop_name=shop.name, status=status, shop_version=version
    )


async def apply(service: ServiceHarness, *updates: UpsertShop) -> None:
    for call in updates:
        await upsert_shop(service.deps, call)


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

    await apply(service, replace(update("rejected", shop, 2), shop_name="Other"))

    assert (await service.get_product(kettle.id)).id == kettle.id


async def test_repeated_update_is_no_change(service: ServiceHarness) -> None:
    shop = service.shops[(await service.seller()).id]
    await apply(service, update("approved", shop, 2))
    before = await changes_since(service.database, None)

    await apply(service, update("approved", shop, 2))

    assert (await changes_since(service.database, before.snapshot)).shop_ids == set()


async def test_change_committed_after_a_later_one_is_found(service: ServiceHarness) -> None:
    slow, quick = [service.shops[(await service.seller(name=name)).id] for name in ("Slow", "Quick")]

    async with service.database.transaction() as tx:
        await store.upsert_shop(tx, update("approved", slow, 2))
        await apply(service, update("approved", quick, 2))
        before = await changes_since(service.database, None)

    assert (await changes_since(service.database, before.snapshot)).shop_ids == {slow.id}


async def test_approval_before_first_product_is_kept(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    await apply(service, update("approved", service.shops[seller.id], 2))

    # The stubbed reply to `validate_shop_owner` is older than the approval.
    kettle = await service.create_product(seller)

    assert await service.get_product(kettle.id) == kettle

"""Who sees which product."""

import pytest

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Role
from nextbuy.product.follow_changes import follow_changes
from tests.callers import account
from tests.product.service_harness import Desk


async def test_anyone_sees_an_active_product_by_id_and_by_slug(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    for who in (None, account(Role.BUYER), account(Role.SELLER), account(Role.ADMIN)):
        assert await desk.see(kettle.id, who) == kettle
        assert await desk.see(kettle.slug, who) == kettle
        assert await desk.see(str(kettle.id).upper(), who) == kettle


async def test_a_product_that_waits_is_seen_by_its_seller_and_admins_alone(desk: Desk) -> None:
    seller = await desk.seller()
    lamp = await desk.offer(seller, "Desk lamp", category="electronics")
    for who in (None, account(Role.BUYER), account(Role.SELLER)):
        for key in (lamp.id, lamp.slug):
            with pytest.raises(NotFound) as missing:
                await desk.see(key, who)
            assert missing.value.slug == "no-such-product"
    for who in (seller, account(Role.ADMIN)):
        assert await desk.see(lamp.id, who) == lamp


@pytest.mark.parametrize("key", ["01a204df-ff5d-734d-ae03-88a265c7785c", "nothing-here", "0", "☃", "'; --"])
async def test_what_is_not_there_is_not_there_for_anyone(desk: Desk, key: str) -> None:
    for who in (None, account(Role.SELLER), account(Role.ADMIN)):
        with pytest.raises(NotFound):
            await desk.see(key, who)


async def test_what_was_kept_for_everyone_is_not_shown_once_its_shop_is_suspended(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller)
    await follow_changes(desk.product)
    await desk.see(kettle.id)
    assert desk.product.shelf.find(str(kettle.id)) is not None
    await desk.shop_becomes(seller, "suspended")
    await follow_changes(desk.product)
    with pytest.raises(NotFound):
        await desk.see(kettle.id)
    assert (await desk.see(kettle.id, seller)).id == kettle.id

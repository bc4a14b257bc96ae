"""Opening a shop."""

import asyncio

import pytest

from nextbuy.contracts.auth import Account, ValidateSeller
from nextbuy.contracts.errors import Forbidden
from nextbuy.contracts.values import Role
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import OneShopOnly, ShopTaken
from nextbuy.seller.my_shop import my_shop
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.outbox import data, published

POTTERY = CreateShop(name="Kiln & Clay", bio="Mugs.", category="ceramics")


async def test_a_new_shop_waits_for_approval_and_the_admins_hear_of_it(deps: Deps, owner: Account) -> None:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop
    assert (shop.status, shop.seller_id, shop.name) == ("pending", owner.id, "Kiln & Clay")
    assert shop.slug.startswith("kiln-clay-")
    [envelope] = await published(deps.database)
    assert envelope.type == "seller.registered"
    assert data(envelope)["shop_id"] == str(shop.id)
    mine = await my_shop(deps, caller(owner))
    assert (mine.shop, mine.seller_status) == (shop, "pending")


async def test_a_seller_has_one_shop(deps: Deps, owner: Account) -> None:
    await create_shop(deps, caller(owner), POTTERY)
    with pytest.raises(OneShopOnly):
        await create_shop(deps, caller(owner), CreateShop(name="Another", bio="", category="books"))
    assert len(await published(deps.database)) == 1


async def test_two_shops_cannot_have_the_same_name_whatever_its_case(
    deps: Deps, owner: Account, calls: StubCalls
) -> None:
    await create_shop(deps, caller(owner), POTTERY)
    other = account(Role.SELLER)
    calls.replies[ValidateSeller] = other
    with pytest.raises(ShopTaken):
        await create_shop(deps, caller(other), CreateShop(name="KILN & CLAY", bio="", category="books"))


async def test_a_shop_opened_ten_times_at_once_is_opened_once(deps: Deps, owner: Account) -> None:
    results = await asyncio.gather(
        *(create_shop(deps, caller(owner), POTTERY) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(result, OneShopOnly) for result in results if isinstance(result, BaseException))
    assert len(await published(deps.database)) == 1


async def test_whom_auth_refuses_opens_nothing(deps: Deps, owner: Account, calls: StubCalls) -> None:
    calls.replies[ValidateSeller] = Forbidden("suspended", slug="suspended")
    with pytest.raises(Forbidden):
        await create_shop(deps, caller(owner), POTTERY)
    assert await published(deps.database) == []


async def test_a_name_without_plain_letters_still_has_an_address(deps: Deps, owner: Account) -> None:
    shop = (await create_shop(deps, caller(owner), CreateShop(name="茶道具", bio="", category="tea"))).shop
    assert shop.slug.startswith("shop-")

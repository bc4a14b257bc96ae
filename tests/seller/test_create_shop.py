"""Opening a shop: one per seller, under a unique name."""

import asyncio

import pytest

from nextbuy.auth.model import Suspended
from nextbuy.contracts.auth import Account, ValidateSeller
from nextbuy.contracts.errors import Forbidden
from nextbuy.contracts.values import Role
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import ShopExists, ShopNameTaken
from nextbuy.seller.my_shop import my_shop
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.outbox import data, published

POTTERY = CreateShop(name="Kiln & Clay", bio="Mugs.", category="ceramics")


async def test_new_shop_is_pending_and_published_as_registered(deps: Deps, owner: Account) -> None:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop

    assert (shop.status, shop.seller_id, shop.name) == ("pending", owner.id, "Kiln & Clay")
    assert shop.slug.startswith("kiln-clay-")

    [envelope] = await published(deps.database)
    assert envelope.type == "seller.registered"
    assert data(envelope)["shop_id"] == str(shop.id)

    mine = await my_shop(deps, caller(owner))
    assert (mine.shop, mine.seller_status) == (shop, "pending")


async def test_longest_name_is_published(deps: Deps, owner: Account) -> None:
    longest = CreateShop(name="\u0958" * 100, bio="", category="\u0958" * 60)

    await create_shop(deps, caller(owner), longest)

    assert len(await published(deps.database)) == 1


async def test_second_shop_of_seller_is_refused(deps: Deps, owner: Account) -> None:
    await create_shop(deps, caller(owner), POTTERY)

    with pytest.raises(ShopExists):
        await create_shop(deps, caller(owner), CreateShop(name="Another", bio="", category="books"))

    assert len(await published(deps.database)) == 1


async def test_shop_name_is_unique_ignoring_case(deps: Deps, owner: Account, calls: StubCalls) -> None:
    await create_shop(deps, caller(owner), POTTERY)
    other = account(Role.SELLER)
    calls.replies[ValidateSeller] = other

    with pytest.raises(ShopNameTaken):
        await create_shop(deps, caller(other), CreateShop(name="KILN & CLAY", bio="", category="books"))


async def test_ten_concurrent_requests_open_one_shop(deps: Deps, owner: Account) -> None:
    results = await asyncio.gather(
        *(create_shop(deps, caller(owner), POTTERY) for _ in range(10)), return_exceptions=True
    )

    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(result, ShopExists) for result in results if isinstance(result, BaseException))
    assert len(await published(deps.database)) == 1


async def test_seller_refused_by_auth_opens_no_shop(deps: Deps, owner: Account, calls: StubCalls) -> None:
    calls.replies[ValidateSeller] = Suspended()

    with pytest.raises(Forbidden):
        await create_shop(deps, caller(owner), POTTERY)

    assert await published(deps.database) == []


async def test_name_without_ascii_letters_gets_a_slug(deps: Deps, owner: Account) -> None:
    shop = (await create_shop(deps, caller(owner), CreateShop(name="茶道具", bio="", category="tea"))).shop
    assert shop.slug.startswith("shop-")

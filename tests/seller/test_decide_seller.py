"""An admin's decision on a seller."""

import asyncio
from uuid import UUID

import pytest

from nextbuy.contracts.auth import Account, ValidateSeller
from nextbuy.contracts.seller import DecideSeller, GetShops, ListSellers, SellerDecision, ValidateShopOwner
from nextbuy.contracts.values import Role, new_id
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps
from nextbuy.seller.get_shops import get_shops
from nextbuy.seller.list_sellers import list_sellers
from nextbuy.seller.model import DecisionRefused, NoShop, NoSuchSeller
from nextbuy.seller.validate_shop_owner import validate_shop_owner
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.outbox import topics

ADMIN = new_id()


def decision(user_id: UUID, word: SellerDecision, reason: str = "") -> DecideSeller:
    return DecideSeller(user_id=user_id, decision=word, reason=reason, by=ADMIN)


async def open_shop(deps: Deps, calls: StubCalls, name: str, who: Account | None = None) -> UUID:
    who = who or account(Role.SELLER)
    calls.replies[ValidateSeller] = who
    await create_shop(deps, caller(who), CreateShop(name=name, bio="", category="books"))
    return who.id


async def test_an_approved_seller_may_sell_and_everybody_hears_of_it(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    decided = await decide_seller(deps, decision(user, "approved"))
    assert (decided.shop.status, decided.shop.version) == ("approved", 2)
    assert await topics(deps.database) == ["seller.registered", "seller.approved"]
    assert (await validate_shop_owner(deps, ValidateShopOwner(seller_id=user))).status == "approved"


async def test_the_same_decision_again_changes_nothing_and_tells_nobody(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    await asyncio.gather(*(decide_seller(deps, decision(user, "approved")) for _ in range(5)))
    again = await decide_seller(deps, decision(user, "approved"))
    assert again.shop.version == 2
    assert await topics(deps.database) == ["seller.registered", "seller.approved"]


async def test_a_seller_who_was_never_approved_cannot_be_suspended(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    with pytest.raises(DecisionRefused):
        await decide_seller(deps, decision(user, "suspended", "fraud"))


async def test_a_suspended_seller_can_come_back(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    words: list[SellerDecision] = ["approved", "suspended", "approved"]
    for word in words:
        await decide_seller(deps, decision(user, word, "why"))
    assert (await topics(deps.database))[1:] == ["seller.approved", "seller.suspended", "seller.approved"]


async def test_a_decision_on_nobody_is_refused(deps: Deps) -> None:
    with pytest.raises(NoSuchSeller):
        await decide_seller(deps, decision(new_id(), "approved"))


async def test_a_seller_without_a_shop_is_told_to_make_one(deps: Deps) -> None:
    with pytest.raises(NoShop):
        await validate_shop_owner(deps, ValidateShopOwner(seller_id=new_id()))


async def test_sellers_who_wait_are_listed_oldest_first_page_by_page(deps: Deps, calls: StubCalls) -> None:
    users = [await open_shop(deps, calls, f"Shop {n}") for n in range(5)]
    await decide_seller(deps, decision(users[1], "approved"))
    first = await list_sellers(deps, ListSellers(status="pending", limit=2))
    assert [s.user_id for s in first.items] == [users[0], users[2]]
    rest = await list_sellers(deps, ListSellers(status="pending", limit=2, cursor=first.next_cursor))
    assert [s.user_id for s in rest.items] == [users[3], users[4]]
    assert rest.next_cursor is None


async def test_shops_that_do_not_exist_are_left_out(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    shop = await validate_shop_owner(deps, ValidateShopOwner(seller_id=user))
    found = await get_shops(deps, GetShops(shop_ids=[shop.id, new_id()]))
    assert found.shops == [shop]

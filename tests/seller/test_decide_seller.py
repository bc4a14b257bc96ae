"""Decisions of admins about sellers."""

import asyncio
from uuid import UUID

import pytest
from msgspec.structs import replace

from nextbuy.contracts.auth import Account, ValidateSeller
from nextbuy.contracts.errors import Conflict, PreconditionFailed
from nextbuy.contracts.seller import DecideSeller, GetShops, ListSellers, SellerDecision, ValidateShopOwner
from nextbuy.contracts.values import Role, new_id
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps
from nextbuy.seller.get_shops import get_shops
from nextbuy.seller.list_sellers import list_sellers
from nextbuy.seller.model import DecisionNotAllowed, SellerNotFound, ShopRequired
from nextbuy.seller.review_status import review_status
from nextbuy.seller.validate_shop_owner import validate_shop_owner
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.outbox import topics
from tests.waiting import all_wait_for_a_lock, until

ADMIN = new_id()


def decision(user_id: UUID, status: SellerDecision, reason: str = "") -> DecideSeller:
    return DecideSeller(user_id=user_id, decision=status, reason=reason, by=ADMIN)


async def open_shop(deps: Deps, calls: StubCalls, name: str, who: Account | None = None) -> UUID:
    who = who or account(Role.SELLER)
    calls.replies[ValidateSeller] = who
    await create_shop(deps, caller(who), CreateShop(name=name, bio="", category="books"))
    return who.id


async def test_approval_is_stored_and_published(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    decided = await decide_seller(deps, decision(user, "approved"))

    assert (decided.shop.status, decided.shop.version) == ("approved", 2)
    assert await topics(deps.database) == ["seller.registered", "seller.approved"]
    assert (await validate_shop_owner(deps, ValidateShopOwner(seller_id=user))).status == "approved"


async def test_repeated_decision_changes_and_publishes_nothing(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    await asyncio.gather(*(decide_seller(deps, decision(user, "approved")) for _ in range(5)))

    repeated = await decide_seller(deps, decision(user, "approved"))

    assert repeated.shop.version == 2
    assert await topics(deps.database) == ["seller.registered", "seller.approved"]


async def test_status_counts_the_shops_that_wait_for_a_decision(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    await open_shop(deps, calls, "Kiln & Clay")
    assert await review_status(deps) == {"reviews": {"shops": 2}}

    await decide_seller(deps, decision(user, "approved"))

    assert await review_status(deps) == {"reviews": {"shops": 1}}


async def test_concurrent_decisions_are_stored_once(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")

    async with deps.database.transaction() as tx:
        await tx.execute("SELECT FROM shops WHERE seller_id = $1 FOR UPDATE", user)
        decisions = [asyncio.create_task(decide_seller(deps, decision(user, "approved"))) for _ in range(3)]
        await until(lambda: all_wait_for_a_lock(deps.database, len(decisions)))
    await asyncio.gather(*decisions)

    assert await topics(deps.database) == ["seller.registered", "seller.approved"]


async def test_rejected_seller_can_be_approved(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")

    await decide_seller(deps, decision(user, "rejected", "No address."))
    await decide_seller(deps, decision(user, "approved"))

    assert await topics(deps.database) == ["seller.registered", "seller.rejected", "seller.approved"]


async def test_pending_seller_cannot_be_suspended(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    with pytest.raises(DecisionNotAllowed):
        await decide_seller(deps, decision(user, "suspended", "fraud"))


async def test_suspended_seller_can_be_approved_again(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    statuses: list[SellerDecision] = ["approved", "suspended", "approved"]

    for status in statuses:
        await decide_seller(deps, decision(user, status, "fraud"))

    assert (await topics(deps.database))[1:] == ["seller.approved", "seller.suspended", "seller.approved"]


async def test_decision_on_unknown_seller_is_refused(deps: Deps) -> None:
    with pytest.raises(SellerNotFound):
        await decide_seller(deps, decision(new_id(), "approved"))


async def test_seller_without_shop_is_refused(deps: Deps) -> None:
    with pytest.raises(ShopRequired):
        await validate_shop_owner(deps, ValidateShopOwner(seller_id=new_id()))


async def test_pending_sellers_are_listed_oldest_first_page_by_page(deps: Deps, calls: StubCalls) -> None:
    users = [await open_shop(deps, calls, f"Shop {n}") for n in range(5)]
    await decide_seller(deps, decision(users[1], "approved"))

    first = await list_sellers(deps, ListSellers(status="pending", limit=2))

    assert [s.user_id for s in first.items] == [users[0], users[2]]

    rest = await list_sellers(deps, ListSellers(status="pending", limit=2, cursor=first.next_cursor))
    assert [s.user_id for s in rest.items] == [users[3], users[4]]
    assert rest.next_cursor is None


async def test_unknown_shops_are_left_out(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    shop = await validate_shop_owner(deps, ValidateShopOwner(seller_id=user))

    found = await get_shops(deps, GetShops(shop_ids=[shop.id, new_id()]))

    assert found.shops == [shop]


async def test_decision_of_another_admin_is_not_reversed_unseen(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    rejected = await decide_seller(deps, replace(decision(user, "rejected"), seen=[1]))

    with pytest.raises(Conflict, match="“Foxglove Books” is rejected already") as error:
        await decide_seller(deps, replace(decision(user, "approved"), seen=[1]))

    assert error.value.slug == "already-decided"
    assert await decide_seller(deps, replace(decision(user, "rejected"), seen=[1])) == rejected
    assert (await decide_seller(deps, replace(decision(user, "approved"), seen=[2]))).shop.status == "approved"


async def test_shop_that_changed_while_it_waited_is_not_approved_unseen(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Foxglove Books")
    await deps.database.execute("UPDATE shops SET bio = 'Fakes.', version = version + 1")

    with pytest.raises(PreconditionFailed) as error:
        await decide_seller(deps, replace(decision(user, "approved"), seen=[1]))

    assert error.value.slug == "stale"

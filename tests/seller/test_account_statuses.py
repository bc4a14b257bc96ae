"""The suspension of an account closes its shop, whatever admins decide about the shop meanwhile."""

import asyncio
import random
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextbuy.contracts.auth import AccountReinstated, AccountSuspended, ValidateSeller
from nextbuy.contracts.message import Envelope
from nextbuy.contracts.seller import ApplyAccountStatus, GetShops, ListSellers, SellerDecision, ValidateShopOwner
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.seller.apply_account_status import apply_account_status
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps
from nextbuy.seller.follow_accounts import follow_accounts
from nextbuy.seller.get_shops import get_shops
from nextbuy.seller.list_sellers import list_sellers
from nextbuy.seller.service import SERVICE
from nextbuy.seller.validate_shop_owner import validate_shop_owner
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.inbound import Delivery, assert_fixed_lock_order, handle, inbound
from tests.outbox import published, topics
from tests.seller.test_decide_seller import decision, open_shop
from tests.waiting import all_wait_for_a_lock, until

ADMIN = new_id()


def suspended(account_id: UUID, position: int) -> InboundEvent:
    return inbound(AccountSuspended(account_id=account_id, reason="Fraud.", by=ADMIN), position=position)


def reinstated(account_id: UUID, position: int) -> InboundEvent:
    return inbound(AccountReinstated(account_id=account_id, reason="", by=ADMIN), position=position)


async def status_of(deps: Deps, account_id: UUID) -> str:
    shop = await validate_shop_owner(deps, ValidateShopOwner(seller_id=account_id))
    [listed] = (await get_shops(deps, GetShops(shop_ids=[shop.id]))).shops
    assert listed == shop
    return shop.status


async def approved_shop(deps: Deps, calls: StubCalls, name: str = "Kiln") -> UUID:
    user = await open_shop(deps, calls, name)
    await decide_seller(deps, decision(user, "approved"))
    return user


async def test_suspended_account_closes_its_shop_until_it_is_reinstated(deps: Deps, calls: StubCalls) -> None:
    user = await approved_shop(deps, calls)

    await handle(follow_accounts, deps, suspended(user, 5))
    assert await status_of(deps, user) == "suspended"
    await handle(follow_accounts, deps, reinstated(user, 6))
    assert await status_of(deps, user) == "approved"

    assert (await topics(deps.database))[2:] == ["seller.suspended", "seller.approved"]
    versions = [data["shop_version"] for data in map(data_of, await published(deps.database))]
    assert versions == [1, 2, 3, 4]


def data_of(envelope: Envelope) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(envelope.data)
    return data


@pytest.mark.parametrize("shop_first", [True, False])
@pytest.mark.parametrize("lift_shop_first", [True, False])
async def test_reinstated_account_lifts_its_own_suspension_alone(
    deps: Deps,
    calls: StubCalls,
    shop_first: bool,  # noqa: FBT001
    lift_shop_first: bool,  # noqa: FBT001
) -> None:
    user = await approved_shop(deps, calls)

    async def suspend_shop() -> None:
        assert (await decide_seller(deps, decision(user, "suspended", "No papers."))).shop.status == "suspended"

    async def suspend_account() -> None:
        await handle(follow_accounts, deps, suspended(user, 5))

    async def approve_shop() -> None:
        await decide_seller(deps, decision(user, "approved"))

    async def reinstate_account() -> None:
        await handle(follow_accounts, deps, reinstated(user, 6))

    steps = [suspend_shop, suspend_account] if shop_first else [suspend_account, suspend_shop]
    steps += [approve_shop, reinstate_account] if lift_shop_first else [reinstate_account, approve_shop]
    for step in steps[:-1]:
        await step()
        assert await status_of(deps, user) == "suspended"
    await steps[-1]()
    assert await status_of(deps, user) == "approved"
    assert (await topics(deps.database))[-1] == "seller.approved"


async def test_approval_during_a_suspension_of_the_account_opens_nothing(deps: Deps, calls: StubCalls) -> None:
    user = await open_shop(deps, calls, "Kiln")
    await handle(follow_accounts, deps, suspended(user, 5))
    assert await status_of(deps, user) == "pending"

    decided = await decide_seller(deps, decision(user, "approved"))

    assert (decided.shop.status, decided.account_suspended) == ("suspended", True)
    assert await topics(deps.database) == ["seller.registered"]
    assert (await list_sellers(deps, ListSellers(status="approved", limit=5))).items == []
    await handle(follow_accounts, deps, reinstated(user, 6))
    assert await topics(deps.database) == ["seller.registered", "seller.approved"]


async def test_call_applies_a_status_before_its_event(deps: Deps, calls: StubCalls) -> None:
    user = await approved_shop(deps, calls)
    call = ApplyAccountStatus(account_id=user, status="suspended", reason="Fraud.", position=5)

    for _ in range(2):
        applied = await apply_account_status(deps, call)
        assert applied.shop is not None
        assert (applied.shop.status, applied.shop.version) == ("suspended", 3)
    await handle(follow_accounts, deps, suspended(user, 5))

    assert (await topics(deps.database))[2:] == ["seller.suspended"]


async def test_late_status_changes_nothing(deps: Deps, calls: StubCalls) -> None:
    user = await approved_shop(deps, calls)
    await handle(follow_accounts, deps, reinstated(user, 6))
    await handle(follow_accounts, deps, suspended(user, 5))
    assert await status_of(deps, user) == "approved"


async def test_account_without_shop_has_none_to_close(deps: Deps) -> None:
    call = ApplyAccountStatus(account_id=new_id(), status="suspended", reason="", position=5)
    assert (await apply_account_status(deps, call)).shop is None
    assert await topics(deps.database) == []


async def test_shop_that_is_created_during_a_suspension_is_closed(deps: Deps, calls: StubCalls) -> None:
    who = account(Role.SELLER)
    calls.replies[ValidateSeller] = who

    async with deps.database.transaction() as tx:
        await follow_accounts(deps, tx, [suspended(who.id, 5)])
        creation = asyncio.create_task(create_shop(deps, caller(who), CreateShop(name="Kiln", bio="", category="home")))
        await until(lambda: all_wait_for_a_lock(deps.database, 1))

    await creation
    assert (await decide_seller(deps, decision(who.id, "approved"))).shop.status == "suspended"


async def test_event_is_delivered_to_the_subscription_once(deps: Deps, calls: StubCalls) -> None:
    user = await approved_shop(deps, calls)
    deliver = Delivery(SERVICE, deps, deps.database)
    event = suspended(user, 5)
    for _ in range(2):
        await deliver(event)
    assert (await topics(deps.database))[2:] == ["seller.suspended"]


async def test_batches_lock_accounts_in_a_fixed_order(deps: Deps, calls: StubCalls) -> None:
    users = sorted([await approved_shop(deps, calls, "Kiln"), await approved_shop(deps, calls, "Loom")])
    await assert_fixed_lock_order(follow_accounts, deps, suspended(users[0], 5), suspended(users[1], 6))


STEPS = st.lists(st.sampled_from(["suspend shop", "approve shop", "suspend account", "reinstate account"]), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, seed=st.integers(0, 2**32))
async def test_shop_is_open_if_neither_it_nor_its_account_is_suspended(
    deps: Deps, calls: StubCalls, steps: list[str], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  repeatable
    user = await approved_shop(deps, calls, f"Shop {new_id()}")
    shop: SellerDecision = "approved"
    owner: Literal["active", "suspended"] = "active"
    position, events = 0, list[InboundEvent]()
    for step in steps:
        if step.endswith("shop"):
            shop = "suspended" if step == "suspend shop" else "approved"
            await decide_seller(deps, decision(user, shop, "x"))
        else:
            position += 1
            owner = "suspended" if step == "suspend account" else "active"
            make = suspended if owner == "suspended" else reinstated
            events.append(make(user, position))
            if chance.random() < 0.5:
                call = ApplyAccountStatus(account_id=user, status=owner, reason="", position=position)
                await apply_account_status(deps, call)
        if events and chance.random() < 0.5:
            await handle(follow_accounts, deps, *chance.sample(events, chance.randint(1, len(events))))
    for event in chance.sample(events, len(events)):
        await handle(follow_accounts, deps, event)

    assert await status_of(deps, user) == ("approved" if (shop, owner) == ("approved", "active") else "suspended")
    [*_, last] = [one for one in await published(deps.database) if one.key == str(await shop_id_of(deps, user))]
    assert data_of(last)["status"] == await status_of(deps, user)


async def shop_id_of(deps: Deps, user: UUID) -> UUID:
    return (await validate_shop_owner(deps, ValidateShopOwner(seller_id=user))).id

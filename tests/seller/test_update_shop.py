"""Changing a shop: its texts, its name that must be free, and its slug that stays."""

import pytest
from msgspec import convert
from msgspec.structs import replace

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import PreconditionFailed
from nextbuy.contracts.seller import SellerDecision, Shop
from nextbuy.contracts.values import Role
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import ShopNameTaken, ShopNotChangeable, ShopRequired
from nextbuy.seller.my_shop import my_shop
from nextbuy.seller.update_shop import UpdateShop, update_shop
from tests.callers import account, caller
from tests.outbox import data, published, topics
from tests.seller.shown_shop import shown_shop
from tests.seller.test_create_shop import POTTERY
from tests.seller.test_decide_seller import decision


async def change(deps: Deps, who: Account, **fields: object) -> Shop:
    return (await update_shop(deps, caller(who), convert(fields, UpdateShop))).shop


async def test_new_texts_are_public_under_the_old_slug(deps: Deps, owner: Account) -> None:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop
    await decide_seller(deps, decision(owner.id, "approved"))

    changed = await change(deps, owner, name="Clay & Kiln", contact="hello@kiln.example", bio="Bowls.")

    found = await shown_shop(deps, None, shop.slug)
    assert (found.name, found.bio, found.contact, found.category) == (
        "Clay & Kiln",
        "Bowls.",
        "hello@kiln.example",
        "ceramics",
    )
    assert (changed.slug, changed.version) == (shop.slug, shop.version + 2)
    event = (await published(deps.database))[-1]
    assert (event.type, data(event)["shop_name"], data(event)["status"], data(event)["shop_version"]) == (
        "seller.updated",
        "Clay & Kiln",
        "approved",
        changed.version,
    )


async def test_update_without_change_publishes_nothing(deps: Deps, owner: Account) -> None:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop

    assert await change(deps, owner, name=POTTERY.name) == await change(deps, owner) == shop
    assert await topics(deps.database) == ["seller.registered"]


@pytest.mark.parametrize("name", ["Kiln & Clay", "KILN & CLAY", "Kiln  &  Clay"])
async def test_name_of_another_shop_is_refused(deps: Deps, owner: Account, name: str) -> None:
    await create_shop(deps, caller(owner), POTTERY)
    other = account(Role.SELLER)
    await create_shop(deps, caller(other), CreateShop(name="Glass", bio="", category="glass"))

    with pytest.raises(ShopNameTaken):
        await change(deps, other, name=name)

    assert (await my_shop(deps, caller(other))).shop.name == "Glass"


@pytest.mark.parametrize("status", ["rejected", "suspended"])
async def test_closed_shop_cannot_be_changed(deps: Deps, owner: Account, status: SellerDecision) -> None:
    await create_shop(deps, caller(owner), POTTERY)
    if status == "suspended":
        await decide_seller(deps, decision(owner.id, "approved"))
    await decide_seller(deps, decision(owner.id, status))

    with pytest.raises(ShopNotChangeable):
        await change(deps, owner, bio="Changed.")


async def test_seller_without_a_shop_must_create_one(deps: Deps, owner: Account) -> None:
    with pytest.raises(ShopRequired):
        await change(deps, owner, bio="Changed.")


async def test_admin_decides_about_the_name_that_was_read(deps: Deps, owner: Account) -> None:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop
    await change(deps, owner, name="Something else")

    with pytest.raises(PreconditionFailed):
        await decide_seller(deps, replace(decision(owner.id, "approved"), seen=[shop.version]))

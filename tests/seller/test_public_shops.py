"""Public shops: by id, by slug, and several at once."""

from importlib.resources import files
from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import Page, Role, new_id
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps
from nextbuy.seller.get_public_shops import GetPublicShops, get_public_shops
from nextbuy.seller.get_shop import GetShop, get_shop
from nextbuy.seller.model import PublicShop, ShopNotFound
from tests.callers import account, caller
from tests.seller.shown_shop import shown_shop
from tests.seller.test_decide_seller import decision


async def opened(deps: Deps, name: str, who: Account | None = None, *, approved: bool = True) -> Shop:
    who = who or account(Role.SELLER)
    shop = (await create_shop(deps, caller(who), CreateShop(name=name, bio="", category="home"))).shop
    if approved:
        await decide_seller(deps, decision(who.id, "approved"))
    return shop


async def test_shop_is_found_by_its_id_and_by_its_slug_with_the_time_of_its_opening(deps: Deps) -> None:
    shop = await opened(deps, "Kiln")

    by_id = await shown_shop(deps, None, str(shop.id))
    by_slug = await shown_shop(deps, None, shop.slug)

    assert (by_id, by_id.id, by_id.name) == (by_slug, shop.id, "Kiln")
    assert by_id.created_at == await deps.database.fetchval("SELECT submitted_at FROM shops")


async def test_slug_of_a_hidden_shop_is_for_its_seller_alone(deps: Deps, owner: Account) -> None:
    shop = await opened(deps, "Kiln", owner, approved=False)

    with pytest.raises(ShopNotFound):
        await get_shop(deps, caller(None), GetShop(shop.slug))
    assert (await shown_shop(deps, owner, shop.slug)).id == shop.id


async def test_several_shops_are_those_that_are_public_in_the_order_asked_for(deps: Deps) -> None:
    kiln, loom = await opened(deps, "Kiln"), await opened(deps, "Loom")
    hidden = await opened(deps, "Hidden", approved=False)
    ids = ",".join(str(one) for one in (loom.id, hidden.id, new_id(), kiln.id, loom.id))

    reply = await get_public_shops(deps, caller(None), GetPublicShops(ids=ids))

    found = msgspec.json.decode(reply.body, type=Page[PublicShop])
    assert [shop.name for shop in found.items] == ["Loom", "Kiln"]


@pytest.mark.parametrize("ids", ["x" * 36, f"{UUID(int=1)},", ",".join(str(UUID(int=n)) for n in range(101))])
async def test_ids_that_are_not_a_list_of_at_most_100_are_refused(deps: Deps, ids: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        await get_public_shops(deps, caller(None), GetPublicShops(ids=ids))
    assert refused.value.slug == "invalid-shop-ids"


async def test_shop_of_an_earlier_release_was_opened_when_its_id_was_made(deps: Deps) -> None:
    shop = await opened(deps, "Kiln")
    database = deps.database
    await database.execute("ALTER TABLE shops DROP COLUMN created_at")
    await database.execute("UPDATE shops SET submitted_at = now() + interval '1 day'")

    await database.execute(migration("0004_created_at.sql"))

    created = (await shown_shop(deps, None, shop.slug)).created_at
    assert abs(created.timestamp() - (shop.id.int >> 80) / 1000) < 1


def migration(name: str) -> str:
    return (files("nextbuy.seller.migrations") / name).read_text(encoding="utf-8")

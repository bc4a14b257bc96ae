"""Opening a shop: one per seller, under a unique name."""

import asyncio

import pytest

from nextbuy.auth.model import Suspended
from nextbuy.contracts.auth import Account, ValidateSeller, ValidateUser
from nextbuy.contracts.errors import Forbidden
from nextbuy.contracts.seller import ApplyAccountStatus, ListSellers, SellerDecision, Shop
from nextbuy.contracts.values import Role
from nextbuy.seller.apply_account_status import apply_account_status
from nextbuy.seller.create_shop import CreateShop, create_shop
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps
from nextbuy.seller.get_shop import GetShop, get_shop
from nextbuy.seller.list_sellers import list_sellers
from nextbuy.seller.model import ShopExists, ShopNameTaken, ShopNotFound
from nextbuy.seller.my_shop import my_shop
from tests.callers import account, caller, confirm
from tests.doubles import StubCalls
from tests.outbox import data, published
from tests.seller.shown_shop import shown_shop
from tests.seller.test_decide_seller import decision, open_shop

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


@pytest.mark.parametrize("status", ["pending", "rejected", "suspended", "account suspended"])
async def test_only_an_approved_shop_is_public(deps: Deps, owner: Account, calls: StubCalls, status: str) -> None:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop
    if status == "rejected":
        await decide_seller(deps, decision(owner.id, "rejected"))
    elif status != "pending":
        await decide_seller(deps, decision(owner.id, "approved"))
        assert (await shown_shop(deps, None, str(shop.id))).status == "approved"
    if status == "suspended":
        await decide_seller(deps, decision(owner.id, "suspended"))
    elif status == "account suspended":
        call = ApplyAccountStatus(account_id=owner.id, status="suspended", reason="", position=1)
        await apply_account_status(deps, call)

    for stranger in (None, account(Role.BUYER), account(Role.SELLER)):
        with pytest.raises(ShopNotFound):
            await get_shop(deps, caller(stranger), GetShop(str(shop.id)))
    for who in (owner, account(Role.ADMIN)):
        assert (await shown_shop(deps, who, str(shop.id))).id == shop.id
        calls.replies[ValidateUser] = Suspended()
        with pytest.raises(ShopNotFound):
            await get_shop(deps, caller(who), GetShop(str(shop.id)))
        calls.replies[ValidateUser] = confirm


async def test_approved_shop_is_shown_without_asking_auth(deps: Deps, owner: Account, calls: StubCalls) -> None:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop
    await decide_seller(deps, decision(owner.id, "approved"))
    del calls.replies[ValidateUser]
    assert (await shown_shop(deps, owner, str(shop.id))).id == shop.id


async def test_longest_name_is_published(deps: Deps, owner: Account) -> None:
    longest = CreateShop(name="\u0958" * 100, bio="", category="\u0958" * 60)

    await create_shop(deps, caller(owner), longest)

    assert len(await published(deps.database)) == 1


async def test_second_shop_of_seller_is_refused(deps: Deps, owner: Account) -> None:
    await create_shop(deps, caller(owner), POTTERY)

    with pytest.raises(ShopExists):
        await create_shop(deps, caller(owner), CreateShop(name="Another", bio="", category="books"))

    assert len(await published(deps.database)) == 1


async def rejected_shop(deps: Deps, owner: Account) -> Shop:
    shop = (await create_shop(deps, caller(owner), POTTERY)).shop
    await decide_seller(deps, decision(owner.id, "rejected", "Say more."))
    return shop


async def test_rejected_seller_applies_again(deps: Deps, owner: Account) -> None:
    first = await rejected_shop(deps, owner)
    other = (await create_shop(deps, caller(owner), CreateShop(name="Kiln", bio="Mugs of clay.", category="home"))).shop

    assert (other.id, other.status, other.version) == (first.id, "pending", 3)
    assert (other.name, other.bio, other.category) == ("Kiln", "Mugs of clay.", "home")
    assert other.slug.startswith("kiln-")
    assert (await my_shop(deps, caller(owner))).shop == other
    last = (await published(deps.database))[-1]
    assert (last.type, data(last)["status"], data(last)["shop_version"]) == ("seller.registered", "pending", 3)
    assert [one.shop for one in (await list_sellers(deps, ListSellers(status="pending", limit=5))).items] == [other]
    await decide_seller(deps, decision(owner.id, "approved"))
    assert (await my_shop(deps, caller(owner))).seller_status == "approved"


async def test_rejected_seller_may_keep_the_name(deps: Deps, owner: Account) -> None:
    await rejected_shop(deps, owner)
    assert (await create_shop(deps, caller(owner), POTTERY)).shop.name == POTTERY.name


async def test_rejected_seller_cannot_take_the_name_of_another(deps: Deps, owner: Account, calls: StubCalls) -> None:
    await rejected_shop(deps, owner)
    await open_shop(deps, calls, "Loom")
    calls.replies[ValidateSeller] = owner

    with pytest.raises(ShopNameTaken):
        await create_shop(deps, caller(owner), CreateShop(name="L\u200bOOM", bio="", category="home"))

    assert (await my_shop(deps, caller(owner))).seller_status == "rejected"


async def test_one_of_concurrent_applications_of_a_rejected_seller_counts(deps: Deps, owner: Account) -> None:
    await rejected_shop(deps, owner)
    results = await asyncio.gather(
        *(create_shop(deps, caller(owner), POTTERY) for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(one, ShopExists) for one in results].count(True) == 4
    assert len(await published(deps.database)) == 3


@pytest.mark.parametrize("decisions", [["approved"], ["approved", "suspended"]])
async def test_seller_who_is_not_rejected_cannot_apply_again(
    deps: Deps, owner: Account, decisions: list[SellerDecision]
) -> None:
    await create_shop(deps, caller(owner), POTTERY)
    for one in decisions:
        await decide_seller(deps, decision(owner.id, one, "x"))
    with pytest.raises(ShopExists):
        await create_shop(deps, caller(owner), POTTERY)


@pytest.mark.parametrize(
    "name",
    [
        *("CAF\u00c9 & CLAY", "Caf\u00e9  &  Clay", " Caf\u00e9 & Clay ", "Caf\u00e9\u00a0&\u3000Clay"),
        *("Cafe\u0301 & Clay", "Caf\u00e9 & \uff23\uff4c\uff41\uff59", "Caf\u00e9 \ufe60 \U0001d402lay"),
        *("Caf\u00e9 & C\u200blay", "Caf\u00e9 & Cl\u200cay", "\ufeffC\u200da\u00adf\u00e9 & \u200eClay\u2060"),
        *("Caf\u00e9 & Cla\ufe0fy", "Caf\u00e9\u3164& Clay", "Caf\u00e9 &\u2800Clay", "\u2068Caf\u00e9\u2069 & Clay"),
    ],
)
async def test_name_that_looks_like_that_of_another_shop_is_taken(
    deps: Deps, owner: Account, calls: StubCalls, name: str
) -> None:
    await create_shop(deps, caller(owner), CreateShop(name="Caf\u00e9 & Clay", bio="", category="books"))
    other = account(Role.SELLER)
    calls.replies[ValidateSeller] = other

    with pytest.raises(ShopNameTaken):
        await create_shop(deps, caller(other), CreateShop(name=name, bio="", category="books"))


@pytest.mark.parametrize("name", ["Cafe & Clay", "Caf\u00e9 Clay", "Caf\u00e9 & Clays"])
async def test_name_that_looks_different_is_free(deps: Deps, owner: Account, calls: StubCalls, name: str) -> None:
    await create_shop(deps, caller(owner), CreateShop(name="Caf\u00e9 & Clay", bio="", category="books"))
    other = account(Role.SELLER)
    calls.replies[ValidateSeller] = other

    assert (await create_shop(deps, caller(other), CreateShop(name=name, bio="", category="books"))).shop.name == name


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


@pytest.mark.parametrize(("name", "slug"), [("Łódź Øre", "lodz-ore-"), ("茶道具", "chadaoju-"), ("★ ★", "shop-")])
async def test_slug_is_the_name_in_latin_letters(deps: Deps, owner: Account, name: str, slug: str) -> None:
    shop = (await create_shop(deps, caller(owner), CreateShop(name=name, bio="", category="tea"))).shop
    assert shop.slug.startswith(slug)

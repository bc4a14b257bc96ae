"""Access to single products, by role and status."""

import pytest
from msgspec import UNSET

from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.errors import Forbidden, NotFound, Unauthenticated
from nextbuy.contracts.values import Role
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.get_products import GetProducts, get_products
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.search_products import SearchProducts, search_products
from tests.callers import account, caller
from tests.product.service_harness import ServiceHarness, decoded


async def test_anyone_sees_active_product_by_id_and_slug(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    for who in (None, account(Role.BUYER), account(Role.SELLER), account(Role.ADMIN)):
        for key in (kettle.id, kettle.slug, str(kettle.id).upper()):
            assert (await service.get_product(key, who)).id == kettle.id


async def test_only_seller_and_admins_see_pending_product(service: ServiceHarness) -> None:
    seller = await service.seller()
    lamp = await service.create_product(seller, "Desk lamp", category="electronics")
    for who in (None, account(Role.BUYER), account(Role.SELLER)):
        for key in (lamp.id, lamp.slug):
            with pytest.raises(NotFound) as missing:
                await service.get_product(key, who)
            assert missing.value.slug == "product-not-found"
    for who in (seller, account(Role.ADMIN)):
        assert (await service.get_product(lamp.id, who)).id == lamp.id


async def test_only_seller_and_admins_see_moderation(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, tags=["copper"])

    for who in (None, account(Role.BUYER), account(Role.SELLER)):
        assert (await service.get_product(kettle.id, who)).moderation is UNSET
    for who in (seller, account(Role.ADMIN)):
        assert (await service.get_product(kettle.id, who)).moderation == kettle.moderation


async def test_no_list_of_products_has_moderation(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), tags=["copper"])
    pages = [
        await get_all_products(service.deps, caller(None), GetAllProducts()),
        await get_products(service.deps, caller(None), GetProducts(str(kettle.id))),
        await search_products(service.deps, caller(None), SearchProducts(q="kettle")),
    ]

    for page in pages:
        [item] = decoded(page.body)["items"]
        assert item["id"] == str(kettle.id)
        assert "moderation" not in item


@pytest.mark.parametrize("refusal", [Unauthenticated(), Forbidden()], ids=["logged-out", "suspended"])
async def test_seller_refused_by_auth_sees_what_anyone_sees(
    service: ServiceHarness, refusal: Unauthenticated | Forbidden
) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    lamp = await service.create_product(seller, "Desk lamp", category="electronics")

    service.calls.replies[ValidateUser] = refusal

    assert await service.get_product(kettle.id, seller) == await service.get_product(kettle.id)
    with pytest.raises(NotFound):
        await service.get_product(lamp.id, seller)


async def test_buyers_see_products_without_a_call(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    service.calls.made.clear()

    await service.get_product(kettle.id)
    await service.get_product(kettle.id, account(Role.BUYER))

    assert service.calls.made == []


@pytest.mark.parametrize("key", ["01a204df-ff5d-734d-ae03-88a265c7785c", "nothing-here", "0", "☃", "'; --"])
async def test_unknown_key_is_not_found(service: ServiceHarness, key: str) -> None:
    for who in (None, account(Role.SELLER), account(Role.ADMIN)):
        with pytest.raises(NotFound):
            await service.get_product(key, who)


async def test_cached_product_is_hidden_once_its_shop_is_suspended(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await poll_changes(service.deps)

    await service.get_product(kettle.id)

    assert service.deps.cache.get(str(kettle.id)) is not None

    await service.set_shop_status(seller, "suspended")
    await poll_changes(service.deps)

    with pytest.raises(NotFound):
        await service.get_product(kettle.id)

    assert (await service.get_product(kettle.id, seller)).id == kettle.id

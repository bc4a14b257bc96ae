"""The route of product pictures."""

import pytest

from nextbuy.contracts.auth import Account, ValidateUser
from nextbuy.contracts.errors import NotFound, Unauthenticated
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Role
from nextbuy.kit.wire import Request, Response
from nextbuy.product.show_picture import show_picture
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import account, caller
from tests.product.service_harness import ServiceHarness


async def picture(service: ServiceHarness, address: str, who: Account | None = None, **headers: str) -> Response:
    path, _, query = address.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await show_picture(service.deps, caller(who), Request("GET", path, query, named))


async def retitle(service: ServiceHarness, who: Account, product: Product, title: str) -> Product:
    request = UpdateProduct(product_id=product.id, title=title)
    return (await update_product(service.deps, caller(who), request)).product


async def test_picture_of_public_product_is_cached_and_shown_on_other_origins(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    response = await picture(service, kettle.picture)

    assert (response.status, response.content_type) == (200, "image/svg+xml")
    assert response.body.startswith(b"<svg")
    headers = dict(response.headers)
    assert headers["cache-control"] == "public, max-age=300"
    assert headers["cross-origin-resource-policy"] == "cross-origin"


async def test_other_title_gives_picture_another_address(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    changed = await retitle(service, seller, kettle, "Iron kettle")

    assert changed.picture != kettle.picture
    assert (await service.get_product(kettle.id)).picture == changed.picture
    assert (await retitle(service, seller, kettle, kettle.title)).picture == kettle.picture


async def test_old_address_shows_new_picture_and_is_revalidated(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    etag = dict((await picture(service, kettle.picture)).headers)["etag"]

    assert (await picture(service, kettle.picture, if_none_match=etag)).status == 304

    await retitle(service, seller, kettle, "Iron kettle")
    for address in (kettle.picture, kettle.picture.partition("?")[0]):
        response = await picture(service, address, if_none_match=etag)
        assert (response.status, b"Iron kettle" in response.body) == (200, True)
        assert dict(response.headers)["cache-control"] == "public, no-cache"


@pytest.mark.parametrize(
    "fields", [{"category": "electronics"}, {"title": "A stolen lamp"}], ids=["pending", "rejected"]
)
async def test_picture_of_hidden_product_is_for_its_seller_and_admins(
    service: ServiceHarness, fields: dict[str, object]
) -> None:
    seller = await service.seller()
    lamp = await service.create_product(seller, **{"title": "Desk lamp", **fields})  # type: ignore[arg-type]

    for stranger in (None, account(Role.BUYER), account(Role.SELLER)):
        with pytest.raises(NotFound):
            await picture(service, lamp.picture, stranger)
    for who in (seller, account(Role.ADMIN)):
        response = await picture(service, lamp.picture, who)
        assert response.status == 200
        assert ("cache-control", "private, no-store") in response.headers

    service.calls.replies[ValidateUser] = Unauthenticated()
    with pytest.raises(NotFound):
        await picture(service, lamp.picture, seller)


async def test_picture_is_hidden_once_product_is_rejected_or_its_shop_suspended(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle, bowl = await service.create_product(seller), await service.create_product(seller, "Copper bowl")

    await retitle(service, seller, kettle, "Stolen kettle")
    with pytest.raises(NotFound):
        await picture(service, kettle.picture)

    assert (await picture(service, bowl.picture)).status == 200
    await service.set_shop_status(seller, "suspended")
    with pytest.raises(NotFound):
        await picture(service, bowl.picture)


@pytest.mark.parametrize("name", ["01a204df-ff5d-734d-ae03-88a265c7785c", "x", "", "%00"])
async def test_unknown_product_has_no_picture(service: ServiceHarness, name: str) -> None:
    with pytest.raises(NotFound):
        await picture(service, f"/product/api/picture/{name}")

"""Products off sale, archived, restored and copied by their seller."""

import pytest
from msgspec import convert

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Conflict, Gone, NotFound
from nextbuy.contracts.product import DecideProduct, Line, ListProducts, Product, UpdateStock
from nextbuy.contracts.values import Role, new_id
from nextbuy.product.archive_product import archive_product
from nextbuy.product.decide_product import decide_product
from nextbuy.product.duplicate_product import duplicate_product
from nextbuy.product.get_archived_product import GetArchivedProduct, get_archived_product
from nextbuy.product.get_shop_products import GetShopProducts, get_shop_products
from nextbuy.product.list_products import list_products
from nextbuy.product.model import ProductRef
from nextbuy.product.restore_product import restore_product
from nextbuy.product.update_product import UpdateProduct, update_product
from nextbuy.product.update_stock import update_stock
from tests.callers import account, caller
from tests.outbox import data, published, topics
from tests.product.service_harness import ServiceHarness, shown


async def change(service: ServiceHarness, who: Account, product: Product, **fields: object) -> Product:
    request = convert({"product_id": product.id, **fields}, UpdateProduct)
    return (await update_product(service.deps, caller(who), request)).product


async def archive(service: ServiceHarness, who: Account, product: Product) -> Product:
    return (await archive_product(service.deps, caller(who), ProductRef(product.id))).product


async def restore(service: ServiceHarness, who: Account, product: Product) -> Product:
    return (await restore_product(service.deps, caller(who), ProductRef(product.id))).product


async def duplicate(service: ServiceHarness, who: Account, product: Product) -> Product:
    return (await duplicate_product(service.deps, caller(who), ProductRef(product.id))).product


async def waiting(service: ServiceHarness) -> list[str]:
    page = await list_products(service.deps, ListProducts(status="pending", limit=10))
    return [product.title for product in page.items]


async def own_titles(service: ServiceHarness, who: Account, **filters: object) -> list[str]:
    page = await get_shop_products(service.deps, caller(who), convert(filters, GetShopProducts))
    return [product.title for product in page.items]


async def test_product_off_sale_is_hidden_until_it_is_put_back(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await service.get_product(kettle.id)

    off = await change(service, seller, kettle, on_sale=False)

    assert (off.on_sale, off.archived, off.status, off.stock) == (False, False, "active", 10)
    with pytest.raises(NotFound):
        await service.get_product(kettle.id)
    with pytest.raises(NotFound):
        await service.hold((kettle, 1))
    assert await service.get_product(kettle.id, seller) == shown(off, to_owner=True)
    back = await change(service, seller, kettle, on_sale=True)
    assert await service.get_product(kettle.id) == shown(back)
    assert [(data(event)["on_sale"], data(event)["fields"]) for event in (await published(service.database))[1:]] == [
        (False, ["on_sale"]),
        (True, ["on_sale"]),
    ]


async def test_archived_product_is_gone_for_others_and_comes_back_off_sale(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await service.get_product(kettle.slug)

    archived = await archive(service, seller, kettle)

    assert (archived.archived, archived.on_sale) == (True, False)
    for key in (kettle.id, kettle.slug):
        for who in (None, account(Role.BUYER), account(Role.SELLER)):
            with pytest.raises(Gone, match="no longer"):
                await service.get_product(key, who)
    left = (await get_archived_product(service.deps, caller(None), GetArchivedProduct(kettle.slug))).product
    assert (left.title, left.category, left.shop_name, left.shop_slug) == (
        "Copper kettle",
        "Kitchen",
        "Clay & Co",
        "clay & co",
    )
    restored = await restore(service, seller, kettle)
    assert (restored.archived, restored.on_sale) == (False, False)
    with pytest.raises(NotFound):
        await service.get_product(kettle.id)
    await change(service, seller, kettle, on_sale=True)
    assert (await service.get_product(kettle.id)).title == "Copper kettle"


async def test_archived_product_keeps_its_holds_and_gets_no_new_ones(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    session = await service.hold((kettle, 2))

    await archive(service, seller, kettle)

    with pytest.raises(NotFound):
        await service.hold((kettle, 1))
    await update_stock(service.deps, UpdateStock(session_id=session, lines=[Line(kettle.id, 2)]))
    assert await service.stock_levels(kettle) == (8, 0, 2)


async def test_archived_product_must_be_restored_before_it_is_put_on_sale(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await archive(service, seller, kettle)

    with pytest.raises(Conflict) as refused:
        await change(service, seller, kettle, on_sale=True)

    assert refused.value.slug == "restore-first"
    assert (await change(service, seller, kettle, title="Old kettle")).archived


@pytest.mark.parametrize("act", [archive, restore, duplicate])
async def test_product_of_another_seller_is_not_withdrawn(service: ServiceHarness, act: object) -> None:
    kettle = await service.create_product(await service.seller())
    other = await service.seller(name="Other")

    with pytest.raises(NotFound):
        await act(service, other, kettle)  # type: ignore[operator]

    assert (await service.get_product(kettle.id)).title == "Copper kettle"
    assert await topics(service.database) == ["product.created"]


async def test_repeated_archive_and_restore_change_nothing(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)

    assert await archive(service, seller, kettle) == await archive(service, seller, kettle)
    assert await restore(service, seller, kettle) == await restore(service, seller, kettle)
    assert await topics(service.database) == ["product.created", "product.updated", "product.updated"]


@pytest.mark.parametrize("how", ["refused", "suspended"])
async def test_archived_product_that_was_refused_or_suspended_is_not_found(service: ServiceHarness, how: str) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, "Stolen kettle" if how == "refused" else "Kettle")
    await archive(service, seller, kettle)
    if how == "suspended":
        await service.set_shop_status(seller, "suspended")

    with pytest.raises(NotFound):
        await service.get_product(kettle.id)
    with pytest.raises(NotFound):
        await get_archived_product(service.deps, caller(None), GetArchivedProduct(str(kettle.id)))


async def test_withdrawn_product_waits_for_review_once_it_is_on_sale(service: ServiceHarness) -> None:
    seller = await service.seller()
    camera = await service.create_product(seller, "Camera", category="electronics")
    assert await waiting(service) == ["Camera"]

    await change(service, seller, camera, on_sale=False)
    await change(service, seller, camera, title="Old camera")

    assert await waiting(service) == []
    back = await change(service, seller, camera, on_sale=True)
    assert (back.status, await waiting(service)) == ("pending", ["Old camera"])
    assert (await topics(service.database))[1:] == [
        "product.pending",
        "product.updated",
        "product.updated",
        "product.updated",
        "product.pending",
    ]


async def test_decision_about_a_product_off_sale_leaves_it_off_sale(service: ServiceHarness) -> None:
    seller = await service.seller()
    camera = await service.create_product(seller, "Camera", category="electronics")
    await change(service, seller, camera, on_sale=False)

    decided = await decide_product(
        service.deps, DecideProduct(product_id=camera.id, decision="active", reason="", by=new_id())
    )

    assert (decided.status, decided.on_sale) == ("active", False)
    with pytest.raises(NotFound):
        await service.get_product(camera.id)
    assert (await change(service, seller, camera, on_sale=True)).status == "active"


async def test_copy_has_the_fields_and_none_of_the_history(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, tags=["tea"])
    session = await service.hold((kettle, 2))
    await update_stock(service.deps, UpdateStock(session_id=session, lines=[Line(kettle.id, 2)]))

    copy = await duplicate(service, seller, kettle)

    same = ("title", "description", "category", "price", "tags", "shop_id", "status")
    assert [getattr(copy, name) for name in same] == [getattr(kettle, name) for name in same]
    assert (copy.on_sale, await service.stock_levels(copy)) == (False, (0, 0, 0))
    assert (copy.id != kettle.id, copy.slug != kettle.slug) == (True, True)
    assert (data((await published(service.database))[-1])["on_sale"], (await topics(service.database))[-1]) == (
        False,
        "product.created",
    )


async def test_copy_of_a_product_that_an_admin_rejected_needs_an_admin(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    rejection = DecideProduct(product_id=kettle.id, decision="rejected", reason="Not yours.", by=new_id())
    await decide_product(service.deps, rejection)

    copy = await duplicate(service, seller, kettle)

    assert (copy.status, [reason.excerpt for reason in copy.moderation.reasons]) == ("pending", ["Not yours."])


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({}, ["Off", "On"]),
        ({"status": "active"}, ["On"]),
        ({"status": "off-sale"}, ["Off"]),
        ({"status": "archived"}, ["Old"]),
        ({"stock_max": 5, "status": "active"}, []),
    ],
)
async def test_seller_finds_products_by_off_sale_and_archived(
    service: ServiceHarness, filters: dict[str, object], titles: list[str]
) -> None:
    seller = await service.seller()
    await service.create_product(seller, "On")
    off = await service.create_product(seller, "Off", stock=1)
    old = await service.create_product(seller, "Old", stock=1)
    await change(service, seller, off, on_sale=False)
    await archive(service, seller, old)

    assert await own_titles(service, seller, **filters) == titles

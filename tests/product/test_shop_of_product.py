"""A product carries the name and the slug of its shop, also after a rename."""

from msgspec import convert
from msgspec.structs import replace

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.seller import GetShops, SellerApproved, Shop, Shops
from nextbuy.contracts.values import Page
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.product.copy_shops import copy_shops
from nextbuy.product.fill_shop_slugs import fill_shop_slugs
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.get_product import GetProduct, get_product
from nextbuy.product.get_shop_products import GetShopProducts, get_shop_products
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.search_products import SearchProducts, search_products
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import caller
from tests.inbound import handle, inbound
from tests.product.service_harness import ServiceHarness, decoded


def approved(shop: Shop, slug: str = "") -> InboundEvent:
    return inbound(
        SellerApproved(
            shop_id=shop.id,
            user_id=shop.seller_id,
            shop_name=shop.name,
            shop_slug=slug,
            status="approved",
            shop_version=shop.version,
        )
    )


def of_shop(product: PublicProduct) -> tuple[str, str]:
    return product.shop_name, product.shop_slug


async def listed(service: ServiceHarness) -> list[tuple[str, str]]:
    service.deps.cache.invalidate_pages()
    reply = await get_all_products(service.deps, caller(None), GetAllProducts())
    return [of_shop(product) for product in convert(decoded(reply.body), Page[PublicProduct]).items]


async def test_every_reply_has_the_name_and_slug_of_the_shop(service: ServiceHarness) -> None:
    seller = await service.seller(name="Kiln")
    created = await service.create_product(seller)

    found = await search_products(service.deps, caller(None), SearchProducts(q="kettle"))
    own = await get_shop_products(service.deps, caller(seller), GetShopProducts())
    changed = await update_product(service.deps, caller(seller), UpdateProduct(product_id=created.id, stock=3))

    shops = [
        *await listed(service),
        *map(of_shop, convert(decoded(found.body), Page[PublicProduct]).items),
        *map(of_shop, own.items),
        *map(of_shop, [created, changed.product, await service.get_product(created.id)]),
        of_shop(await service.get_product(created.id, seller)),
    ]
    assert shops == 7 * [("Kiln", "kiln")]


async def test_renamed_shop_is_shown_after_the_next_poll(service: ServiceHarness) -> None:
    seller = await service.seller(name="Kiln")
    kettle, shop = await service.create_product(seller), service.shops[seller.id]
    await poll_changes(service.deps)
    assert await listed(service) == [("Kiln", "kiln")]

    await handle(copy_shops, service.deps, approved(replace(shop, name="Loom", version=2), "loom"))
    await poll_changes(service.deps)

    assert of_shop(await service.get_product(kettle.id)) == ("Loom", "loom")
    assert await listed(service) == [("Loom", "loom")]


async def test_version_in_an_etag_of_a_read_is_that_of_the_product(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    etag = (await get_product(service.deps, caller(None), GetProduct(kettle.slug))).etag

    renamed = UpdateProduct(product_id=kettle.id, title="Copper kettle, large")
    changed = await update_product(service.deps, caller(seller, if_match=etag), renamed)

    assert changed.product.title == "Copper kettle, large"


async def test_shop_of_an_earlier_release_is_linked_by_its_id_until_its_slug_is_known(service: ServiceHarness) -> None:
    seller = await service.seller(name="Kiln")
    await service.create_product(seller)
    shop = service.shops[seller.id]
    await service.database.execute("UPDATE shops SET slug = NULL")
    await poll_changes(service.deps)

    assert await listed(service) == [("Kiln", str(shop.id))]

    service.calls.replies[GetShops] = lambda call: Shops([shop] if call.shop_ids == [shop.id] else [])
    assert not await fill_shop_slugs(service.deps)
    await poll_changes(service.deps)

    assert await listed(service) == [("Kiln", "kiln")]
    await fill_shop_slugs(service.deps)
    assert len(service.calls.of_type(GetShops)) == 1


async def test_event_without_a_slug_has_the_slug_read_again(service: ServiceHarness) -> None:
    seller = await service.seller(name="Kiln")
    await service.create_product(seller)
    later = replace(service.shops[seller.id], name="Loom", slug="loom", version=2)

    await handle(copy_shops, service.deps, approved(later))
    service.calls.replies[GetShops] = Shops([later])
    await fill_shop_slugs(service.deps)

    assert await listed(service) == [("Loom", "loom")]


async def test_shop_that_seller_does_not_know_is_asked_for_once_per_run(service: ServiceHarness) -> None:
    seller = await service.seller(name="Kiln")
    await service.create_product(seller)
    shop = service.shops[seller.id]
    await service.database.execute("UPDATE shops SET slug = NULL")
    service.calls.replies[GetShops] = Shops([], [shop.id])

    assert not await fill_shop_slugs(service.deps)
    assert await listed(service) == [("Kiln", str(shop.id))]

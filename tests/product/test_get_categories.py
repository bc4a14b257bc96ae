"""The categories of the whole catalogue, with the number of products for sale in each."""

from msgspec import convert

from nextbuy.contracts.auth import Account
from nextbuy.product.get_categories import Categories, get_categories
from nextbuy.product.model import CategoryCount, category_of
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.store import categories
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import caller
from tests.product.service_harness import ServiceHarness, decoded


async def listed(service: ServiceHarness) -> list[CategoryCount]:
    reply = await get_categories(service.deps, caller(None))
    return convert(decoded(reply.body), Categories).items


async def counts(service: ServiceHarness) -> list[tuple[str, int]]:
    return [(category.name, category.products) for category in await listed(service)]


async def offer(service: ServiceHarness, seller: Account, category: str, number: int = 1) -> None:
    for n in range(number):
        await service.create_product(seller, f"Thing {n}", category=category, stock=0)


async def test_products_for_sale_of_open_shops_are_counted_and_the_largest_category_is_first(
    service: ServiceHarness,
) -> None:
    kiln, loom = await service.seller(name="Kiln"), await service.seller(name="Loom")
    await offer(service, kiln, "Kitchen", 2)
    await offer(service, loom, "kitchen")
    await offer(service, loom, "Bath & Body", 2)
    await offer(service, loom, "Electronics")  # waits for an admin
    await offer(service, await service.seller("pending", name="Unseen"), "Garden")

    assert await counts(service) == [("Kitchen", 3), ("Bath & Body", 2)]

    await service.set_shop_status(loom, "suspended")
    service.deps.cache.invalidate_pages()

    assert await counts(service) == [("Kitchen", 2)]


async def test_own_change_is_counted_at_once(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, category="Kitchen")
    await poll_changes(service.deps)
    assert await counts(service) == [("Kitchen", 1)]

    await update_product(service.deps, caller(seller), UpdateProduct(product_id=kettle.id, category="Garden"))

    assert await counts(service) == [("Garden", 1)]


async def test_number_of_categories_is_bounded(service: ServiceHarness) -> None:
    seller = await service.seller()
    for name in ("Aa", "Bb", "Cc"):
        await offer(service, seller, name)

    assert [row.name for row in await categories.count_by_category(service.database, limit=2)] == ["Aa", "Bb"]


def test_id_and_slug_depend_on_the_name_alone_and_differ_for_each_category() -> None:
    names = ["kitchen", "home & garden", "home garden", "home-garden", "茶", "chá", "cha", "&", "x" * 60]

    found = [category_of(name, name, 1) for name in names]

    assert [category_of(name, "Other spelling", 5).slug for name in names] == [one.slug for one in found]
    assert len({one.slug for one in found}) == len({one.id for one in found}) == len(names)
    assert (found[0].slug, found[2].slug, found[0].parent_id) == ("kitchen", "home-garden", None)
    assert found[1].slug.startswith("home-garden-")
    assert all(one.slug.isascii() and " " not in one.slug and one.slug == one.slug.strip("-") for one in found)

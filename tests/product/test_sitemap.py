"""Sitemaps list the whole catalogue in parts, each entry once."""

from datetime import UTC, datetime

import pytest

from nextbuy.contracts.errors import Unprocessable
from nextbuy.product.get_sitemap_parts import get_sitemap_parts
from nextbuy.product.get_sitemap_products import SitemapStart, get_sitemap_products
from nextbuy.product.get_sitemap_shops import SitemapShopsStart, get_sitemap_shops
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import caller
from tests.product.service_harness import Json, ServiceHarness, decoded


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two entries per part."""
    monkeypatch.setattr("nextbuy.product.store.sitemap.PART_SIZE", 2)


async def parts(service: ServiceHarness) -> Json:
    service.deps.cache.invalidate_pages()
    return decoded((await get_sitemap_parts(service.deps, caller(None))).body)


async def products(service: ServiceHarness) -> list[list[Json]]:
    starts = (await parts(service))["products"]
    replies = [await get_sitemap_products(service.deps, caller(None), SitemapStart(start)) for start in starts]
    return [decoded(reply.body)["items"] for reply in replies]


async def test_every_product_for_sale_is_in_one_part(service: ServiceHarness) -> None:
    seller, hidden = await service.seller(), await service.seller("pending", name="Hidden")
    made = [await service.create_product(seller, f"Kettle {number}") for number in range(3)]
    await service.create_product(hidden, "Unseen")
    made.append(await service.create_product(seller, "Kettle 3"))
    await service.create_product(seller, "Radio", category="Electronics")  # waits for an admin

    found = await products(service)

    assert [[one["slug"] for one in part] for part in found] == [
        [made[0].slug, made[1].slug],
        [made[2].slug],
        [made[3].slug],
    ]


async def test_last_change_is_that_of_the_content(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await service.database.execute("UPDATE products SET created_at = '2026-01-01T00:00:00Z'")
    [[before]] = await products(service)
    assert before["changed_at"] == "2026-01-01T00:00:00Z"

    await update_product(service.deps, caller(seller), UpdateProduct(product_id=kettle.id, stock=3))
    assert await products(service) == [[before]]
    await update_product(service.deps, caller(seller), UpdateProduct(product_id=kettle.id, title="Steel kettle"))

    [[after]] = await products(service)
    assert datetime.fromisoformat(after["changed_at"]) > datetime(2026, 1, 2, tzinfo=UTC)


async def test_open_shops_are_listed(service: ServiceHarness) -> None:
    for number in range(3):
        await service.create_product(await service.seller(name=f"Kiln {number}"))
    await service.create_product(await service.seller("pending", name="Hidden"))
    await service.database.execute("UPDATE shops SET slug = 'slug-of-' || replace(name, ' ', '-')")

    starts = (await parts(service))["shops"]
    replies = [await get_sitemap_shops(service.deps, caller(None), SitemapShopsStart(start)) for start in starts]

    assert len(starts) == 2
    slugs = [slug for reply in replies for slug in decoded(reply.body)["items"]]
    assert sorted(slugs) == ["slug-of-Kiln-0", "slug-of-Kiln-1", "slug-of-Kiln-2"]


async def test_start_of_another_list_is_refused(service: ServiceHarness) -> None:
    await service.create_product(await service.seller())
    found = await parts(service)

    with pytest.raises(Unprocessable):
        await get_sitemap_products(service.deps, caller(None), SitemapStart(found["shops"][0]))
    with pytest.raises(Unprocessable):
        await get_sitemap_shops(service.deps, caller(None), SitemapShopsStart("x"))

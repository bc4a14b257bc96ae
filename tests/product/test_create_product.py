"""Listing a product: moderation, shop status, slug and event."""

from functools import partial

import pytest

from nextbuy.contracts.auth import ValidateSeller
from nextbuy.contracts.errors import Forbidden, NotFound
from nextbuy.contracts.seller import ValidateShopOwner
from nextbuy.contracts.values import ShopStatus
from nextbuy.seller.model import ShopRequired
from tests.outbox import data, published, topics
from tests.product.service_harness import ServiceHarness, rules, shown


async def test_accepted_product_is_for_sale_at_once(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, "Copper kettle", tags=["copper", " tea ", "copper"])

    assert (kettle.status, kettle.moderation.score, kettle.stock) == ("active", 100, 10)
    assert kettle.tags == ["copper", "tea"]
    assert kettle.shop_id == service.shops[seller.id].id
    assert await service.get_product(kettle.id) == shown(kettle)
    assert await topics(service.database) == ["product.created"]

    event = data((await published(service.database))[0])
    assert (event["product_id"], event["status"], event["price"]["amount"]) == (str(kettle.id), "active", 2_500)


async def test_sensitive_category_leaves_product_pending_with_reason(service: ServiceHarness) -> None:
    lamp = await service.create_product(await service.seller(), "Desk lamp", category="Electronics", tags=["brass"])

    assert lamp.status == lamp.moderation.decision == "pending"
    assert rules(lamp.moderation) == ["sensitive-category", "has-tags"]
    assert await topics(service.database) == ["product.created", "product.pending"]
    assert data((await published(service.database))[1])["rules"] == ["sensitive-category"]

    with pytest.raises(NotFound):
        await service.get_product(lamp.id)


async def test_banned_word_rejects_product_and_is_named_with_its_field(service: ServiceHarness) -> None:
    toy = await service.create_product(await service.seller(), "A old gun")

    assert toy.status == "rejected"
    assert [(r.rule, r.field, r.excerpt) for r in toy.moderation.reasons] == [("banned-word", "title", "A old gun")]
    assert await topics(service.database) == ["product.created", "product.rejected"]

    event = data((await published(service.database))[1])
    assert (event["by"], event["reason"]) == (None, "")
    assert [finding["excerpt"] for finding in event["findings"]] == ["A old gun"]


async def test_longest_text_with_growing_excerpts_is_published(service: ServiceHarness) -> None:
    # In compatibility form, this letter is eighteen characters.
    swollen = "\ufdfa"
    around = swollen * 20
    product = await service.create_product(
        await service.seller(),
        title=f"{swollen * 97} gun {swollen * 98}"[:200],
        description=f"{around} gun {around}" * 200,
        category=f"{swollen * 28} gun {swollen * 27}",
        tags=[f"{swollen * 20} gun {swollen * 20} {n:02}" for n in range(20)],
    )

    assert product.status == "rejected"
    assert await topics(service.database) == ["product.created", "product.rejected"]


async def test_products_of_pending_shop_are_hidden_until_approval(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    kettle = await service.create_product(seller)

    assert kettle.status == "active"

    with pytest.raises(NotFound):
        await service.get_product(kettle.id)

    await service.set_shop_status(seller, "approved")
    assert (await service.get_product(kettle.id)).id == kettle.id


@pytest.mark.parametrize("status", ["rejected", "suspended"])
async def test_rejected_or_suspended_shop_cannot_list_products(service: ServiceHarness, status: ShopStatus) -> None:
    seller = await service.seller(status)

    with pytest.raises(Forbidden) as refused:
        await service.create_product(seller)

    assert refused.value.slug == "shop-not-allowed"
    assert status in refused.value.detail
    assert await topics(service.database) == []


@pytest.mark.parametrize("failing", [ValidateSeller, ValidateShopOwner])
async def test_errors_of_auth_and_seller_are_passed_on(service: ServiceHarness, failing: type) -> None:
    seller = await service.seller()
    service.calls.replies[failing] = ShopRequired()

    with pytest.raises(Forbidden) as refused:
        await service.create_product(seller)

    assert refused.value.slug == "shop-required"


@pytest.mark.parametrize(
    ("title", "begins"),
    [
        ("Crème Brûlée  Set!", "creme-brulee-set-"),
        ("日本の茶碗", "ribennochawan-"),
        ("Łopata ogrodowa", "lopata-ogrodowa-"),
        ("--", ""),
        ("x" * 200, "x" * 60 + "-"),
    ],
)
async def test_slug_is_derived_from_title_and_never_empty(service: ServiceHarness, title: str, begins: str) -> None:
    product = await service.create_product(await service.seller(), title)

    assert product.slug.startswith(begins)
    assert len(product.slug) == len(begins) + 6
    assert product.slug.isascii()


async def test_products_with_equal_titles_have_different_slugs(service: ServiceHarness) -> None:
    create = partial(service.create_product, await service.seller())
    one, two = await create(), await create()

    assert one.slug != two.slug
    assert (await service.get_product(two.slug)).id == two.id

"""A seller offers something."""

from functools import partial

import pytest

from nextbuy.contracts.auth import ValidateSeller
from nextbuy.contracts.errors import Forbidden, NotFound
from nextbuy.contracts.seller import ValidateShopOwner
from nextbuy.contracts.values import ShopStatus
from tests.callers import caller
from tests.outbox import data, published, topics
from tests.product.service_harness import Desk, rules


async def test_a_plain_product_is_on_sale_at_once_with_the_score_that_let_it_through(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller, "Copper kettle", tags=["copper", " tea ", "copper"])
    assert (kettle.status, kettle.moderation.score, kettle.stock) == ("active", 100, 10)
    assert kettle.tags == ["copper", "tea"]
    assert kettle.shop_id == desk.shops[seller.id].id
    assert await desk.see(kettle.id) == kettle
    assert await topics(desk.database) == ["product.created"]
    said = data((await published(desk.database))[0])
    assert (said["product_id"], said["status"], said["price"]["amount"]) == (str(kettle.id), "active", 2_500)


async def test_a_product_of_a_sensitive_trade_waits_and_says_why(desk: Desk) -> None:
    lamp = await desk.offer(await desk.seller(), "Desk lamp", category="Electronics")
    assert lamp.status == lamp.moderation.decision == "pending"
    assert rules(lamp.moderation) == ["sensitive-category"]
    assert await topics(desk.database) == ["product.created", "product.pending"]
    with pytest.raises(NotFound):
        await desk.see(lamp.id)


async def test_a_banned_word_refuses_a_product_and_is_named_with_its_field(desk: Desk) -> None:
    toy = await desk.offer(await desk.seller(), "A toy gun")
    assert toy.status == "rejected"
    assert [(r.rule, r.field, r.excerpt) for r in toy.moderation.reasons] == [("banned-word", "title", "A toy gun")]
    assert await topics(desk.database) == ["product.created", "product.rejected"]
    refusal = data((await published(desk.database))[1])
    assert refusal["by"] is None
    assert "gun" in refusal["reason"]


async def test_a_shop_that_waits_for_approval_prepares_goods_that_nobody_sees_until_it_is_approved(desk: Desk) -> None:
    seller = await desk.seller("pending")
    kettle = await desk.offer(seller)
    assert kettle.status == "active"
    with pytest.raises(NotFound):
        await desk.see(kettle.id)
    await desk.shop_becomes(seller, "approved")
    assert (await desk.see(kettle.id)).id == kettle.id


@pytest.mark.parametrize("status", ["rejected", "suspended"])
async def test_a_shop_that_may_not_sell_may_not_offer(desk: Desk, status: ShopStatus) -> None:
    seller = await desk.seller(status)
    with pytest.raises(Forbidden) as refused:
        await desk.offer(seller)
    assert refused.value.slug == f"shop-{status}"
    assert await topics(desk.database) == []


@pytest.mark.parametrize("asked", [ValidateSeller, ValidateShopOwner])
async def test_who_is_suspended_or_has_no_shop_is_told_in_the_owners_words(desk: Desk, asked: type) -> None:
    seller = await desk.seller()
    desk.calls.replies[asked] = Forbidden("You have no shop yet.", slug="shop-required")
    with pytest.raises(Forbidden) as refused:
        await desk.offer(seller)
    assert refused.value.slug == "shop-required"


async def test_the_owner_is_whom_auth_says_not_whom_the_token_says(desk: Desk) -> None:
    seller, other = await desk.seller(), await desk.seller(name="Other")
    desk.accounts[caller(seller).token] = other
    kettle = await desk.offer(seller)
    assert kettle.shop_id == desk.shops[other.id].id


@pytest.mark.parametrize(
    ("title", "begins"),
    [("Crème Brûlée  Set!", "creme-brulee-set-"), ("日本の茶碗", ""), ("--", ""), ("x" * 200, "x" * 60 + "-")],
)
async def test_a_slug_comes_from_the_title_and_is_never_empty(desk: Desk, title: str, begins: str) -> None:
    product = await desk.offer(await desk.seller(), title)
    assert product.slug.startswith(begins)
    assert len(product.slug) == len(begins) + 6
    assert product.slug.isascii()


async def test_two_products_of_one_title_have_two_slugs(desk: Desk) -> None:
    offer = partial(desk.offer, await desk.seller())
    one, two = await offer(), await offer()
    assert one.slug != two.slug
    assert (await desk.see(two.slug)).id == two.id

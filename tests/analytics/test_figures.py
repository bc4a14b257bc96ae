"""Best sellers, seller figures and product figures, computed from delivered events."""

import random
import time
from datetime import timedelta

import msgspec
import pytest
from redis.asyncio import Redis

from nextbuy.analytics.aggregates import BestSeller
from nextbuy.analytics.best_sellers import GetBestSellers, best_sellers
from nextbuy.analytics.best_sellers_cache import BestSellersCache
from nextbuy.analytics.product_figures import GetProductFigures, product_figures
from nextbuy.analytics.seller_figures import GetSellerFigures, seller_figures
from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.product import ProductViewed
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import Page, Role, new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.cache_server import CacheServer
from tests.analytics.projection_harness import ProjectionHarness, order_of
from tests.callers import account, caller

pytestmark = pytest.mark.usefixtures("patient_cache")


@pytest.fixture
async def sold(harness: ProjectionHarness) -> ProjectionHarness:
    """Sales in three shops, fewer from product to product, and two views of each product."""
    for seller_id, shop_id in harness.shops:
        await harness.write(
            SellerRegistered(shop_id=shop_id, user_id=seller_id, shop_name="Kiln", status="pending", shop_version=1)
        )
    hour = (utc_now() - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    for index, (product_id, (seller_id, shop_id)) in enumerate(harness.products):
        await harness.write(
            order_of(shop_id, (product_id, 10 - index)),
            ProductViewed(product_id=product_id, shop_id=shop_id, seller_id=seller_id, views=2, hour=hour),
        )
    random.shuffle(harness.bus)
    await harness.deliver_all()
    return harness


async def test_copies_share_the_best_sellers(sold: ProjectionHarness, redis: Redis) -> None:
    server = CacheServer(redis, Breaker(time.monotonic))
    one, other = BestSellersCache(SharedCache(server, "shop:")), BestSellersCache(SharedCache(server, "shop:"))
    items = await one.items(sold.database)
    await sold.database.execute("DELETE FROM best_sellers")

    assert len(items) == len(sold.products)
    assert await other.items(sold.database) == items
    assert [0 < await redis.pttl(key) <= 30_000 async for key in redis.scan_iter("shop:*")] == [True]


async def test_best_sellers_are_ordered_by_sold_units(sold: ProjectionHarness) -> None:
    reply = await best_sellers(sold.deps, caller(None), GetBestSellers(limit=4))
    page = msgspec.json.decode(reply.body, type=Page[BestSeller])
    assert [(one.product_id, one.units) for one in page.items] == [
        (product_id, 10 - index) for index, (product_id, _) in enumerate(sold.products[:4])
    ]


async def test_seller_sees_only_figures_of_the_own_shop(sold: ProjectionHarness) -> None:
    seller_id, shop_id = sold.shops[1]
    seller = account(Role.SELLER, account_id=seller_id)
    sold.calls.replies[ValidateUser] = seller
    figures = await seller_figures(sold.deps, caller(seller), GetSellerFigures())
    own = [product_id for product_id, (owner, _) in sold.products if owner == seller_id]
    assert {day.shop_id for day in figures.days} == {shop_id}
    assert sum(day.units for day in figures.days) == 9 + 6
    assert (sum(day.orders for day in figures.days), sum(day.views for day in figures.days)) == (2, 4)
    assert [(one.product_id, one.viewed, one.bought, one.amount) for one in figures.products] == [
        (own[0], 2, 9, 2_250),
        (own[1], 2, 6, 1_500),
    ]
    hours = await product_figures(sold.deps, caller(seller), GetProductFigures(own[0]))
    assert (sum(one.viewed for one in hours.items), sum(one.bought for one in hours.items)) == (2, 9)
    other = sold.products[0][0]
    assert (await product_figures(sold.deps, caller(seller), GetProductFigures(other))).items == []
    admin = account(Role.ADMIN)
    sold.calls.replies[ValidateUser] = admin
    assert (await product_figures(sold.deps, caller(admin), GetProductFigures(other))).items != []


async def test_seller_without_a_shop_has_no_figures(sold: ProjectionHarness) -> None:
    seller = account(Role.SELLER, account_id=new_id())
    sold.calls.replies[ValidateUser] = seller
    figures = await seller_figures(sold.deps, caller(seller), GetSellerFigures())
    assert (figures.days, figures.products) == ([], [])

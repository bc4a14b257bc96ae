"""What buyers, sellers and admins are told of the figures."""

import random
from datetime import timedelta

import pytest

from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.product import ProductViewed
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import Role, new_id
from nextbuy.kafka.figures import hour_of
from nextbuy.kafka.projections.best_sellers import BestSellers, best_sellers
from nextbuy.kafka.projections.product_figures import ProductFigures, product_figures
from nextbuy.kafka.projections.seller_figures import SellerFigures, seller_figures
from nextbuy.kit.clock import utc_now
from tests.callers import account, caller
from tests.kafka.logs import Logs, order_of


@pytest.fixture
async def sold(logs: Logs) -> Logs:
    """A week in three shops: more of the first products was sold, and two looks fell on each."""
    for seller_id, shop_id in logs.shops:
        await logs.write(
            SellerRegistered(shop_id=shop_id, user_id=seller_id, shop_name="Kiln", status="pending", shop_version=1)
        )
    hour = hour_of(utc_now() - timedelta(hours=1))
    for place, (product_id, (seller_id, shop_id)) in enumerate(logs.products):
        await logs.write(
            order_of(shop_id, (product_id, 10 - place)),
            ProductViewed(product_id=product_id, shop_id=shop_id, seller_id=seller_id, views=2, hour=hour),
        )
    random.shuffle(logs.bus)
    await logs.deliver_all()
    return logs


async def test_the_best_sellers_are_those_of_which_most_were_sold(sold: Logs) -> None:
    page = await best_sellers(sold.kafka, caller(None), BestSellers(limit=4))
    assert [(one.product_id, one.units) for one in page.items] == [
        (product_id, 10 - place) for place, (product_id, _) in enumerate(sold.products[:4])
    ]


async def test_a_seller_sees_the_own_shop_and_no_other(sold: Logs) -> None:
    seller_id, shop_id = sold.shops[1]
    seller = account(Role.SELLER, account_id=seller_id)
    sold.calls.replies[ValidateUser] = seller
    shown = await seller_figures(sold.kafka, caller(seller), SellerFigures())
    own = [product_id for product_id, (owner, _) in sold.products if owner == seller_id]
    assert {day.shop_id for day in shown.days} == {shop_id}
    assert sum(day.units for day in shown.days) == 9 + 6
    assert (sum(day.orders for day in shown.days), sum(day.views for day in shown.days)) == (2, 4)
    assert [(one.product_id, one.viewed, one.bought, one.amount) for one in shown.products] == [
        (own[0], 2, 9, 2_250),
        (own[1], 2, 6, 1_500),
    ]
    hours = await product_figures(sold.kafka, caller(seller), ProductFigures(own[0]))
    assert (sum(one.viewed for one in hours.items), sum(one.bought for one in hours.items)) == (2, 9)
    other = sold.products[0][0]
    assert (await product_figures(sold.kafka, caller(seller), ProductFigures(other))).items == []
    admin = account(Role.ADMIN)
    sold.calls.replies[ValidateUser] = admin
    assert (await product_figures(sold.kafka, caller(admin), ProductFigures(other))).items != []


async def test_a_seller_without_a_shop_has_no_figures(sold: Logs) -> None:
    seller = account(Role.SELLER, account_id=new_id())
    sold.calls.replies[ValidateUser] = seller
    shown = await seller_figures(sold.kafka, caller(seller), SellerFigures())
    assert (shown.days, shown.products) == ([], [])

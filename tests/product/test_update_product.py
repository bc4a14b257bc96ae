"""A seller changes an offer."""

import pytest
from msgspec import convert

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Forbidden, NotFound
from nextbuy.contracts.product import DecideProduct, Product
from nextbuy.contracts.values import new_id
from nextbuy.product.decide_product import decide_product
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import caller
from tests.outbox import data, published, topics
from tests.product.service_harness import Desk, rules


async def change(desk: Desk, who: Account, product: Product, **fields: object) -> Product:
    ask = convert({"product_id": product.id, **fields}, UpdateProduct)
    return (await update_product(desk.product, caller(who), ask)).product


async def decide(desk: Desk, product: Product, decision: str, reason: str = "") -> None:
    call = DecideProduct(product_id=product.id, decision=decision, reason=reason, by=new_id())  # type: ignore[arg-type]
    await decide_product(desk.product, call)


async def test_a_new_price_and_stock_are_seen_at_once(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller)
    await desk.see(kettle.id)
    changed = await change(desk, seller, kettle, price={"amount": 2_600}, stock=3)
    assert (changed.price.amount, changed.stock, changed.status) == (2_600, 3, "active")
    assert await desk.see(kettle.slug) == changed
    assert await topics(desk.database) == ["product.created", "product.updated"]
    assert data((await published(desk.database))[1])["fields"] == ["price", "stock"]


async def test_setting_stock_leaves_what_sessions_hold(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller, stock=10)
    await desk.hold((kettle, 4))
    await change(desk, seller, kettle, stock=100)
    assert await desk.units(kettle) == (100, 4, 0)


async def test_a_change_that_changes_nothing_is_told_to_nobody(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller)
    assert await change(desk, seller, kettle, title=" Copper  kettle ", stock=10) == kettle
    assert await change(desk, seller, kettle) == kettle
    assert await topics(desk.database) == ["product.created"]


async def test_another_sellers_product_is_not_there(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    other = await desk.seller(name="Other")
    with pytest.raises(NotFound):
        await change(desk, other, kettle, stock=0)
    assert await desk.units(kettle) == (10, 0, 0)


async def test_a_suspended_shop_changes_nothing(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller)
    await desk.shop_becomes(seller, "suspended")
    with pytest.raises(Forbidden):
        await change(desk, seller, kettle, stock=0)


async def test_words_that_would_be_refused_are_refused_later_too(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller)
    changed = await change(desk, seller, kettle, title="Stolen kettle")
    assert (changed.status, rules(changed.moderation)) == ("rejected", ["banned-word"])
    assert (await topics(desk.database))[1:] == ["product.updated", "product.rejected"]
    with pytest.raises(NotFound):
        await desk.see(kettle.id)


async def test_a_mended_product_is_on_sale(desk: Desk) -> None:
    seller = await desk.seller()
    toy = await desk.offer(seller, "A toy gun")
    assert (await change(desk, seller, toy, title="A toy boat")).status == "active"
    assert (await desk.see(toy.id)).title == "A toy boat"


async def test_what_an_admin_refused_no_other_words_bring_back(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller)
    await decide(desk, kettle, "rejected", "The picture is another shop's.")
    changed = await change(desk, seller, kettle, title="Copper kettle, large")
    assert changed.status == "pending"
    assert [r.excerpt for r in changed.moderation.reasons] == ["The picture is another shop's."]
    assert (await change(desk, seller, kettle, title="Copper kettle, larger")).status == "pending"
    await decide(desk, kettle, "active")
    assert (await change(desk, seller, kettle, title="Copper kettle, largest")).status == "active"


async def test_a_price_that_moves_in_small_steps_waits_when_they_add_up(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller, price={"amount": 1_000})
    assert (await change(desk, seller, kettle, price={"amount": 1_150})).status == "active"
    waiting = await change(desk, seller, kettle, price={"amount": 1_300})
    assert (waiting.status, rules(waiting.moderation)) == ("pending", ["price-moved"])
    assert (await change(desk, seller, kettle, title="Kettle of copper")).status == "pending"
    await decide(desk, kettle, "active")
    assert (await change(desk, seller, kettle, price={"amount": 1_500})).status == "active"

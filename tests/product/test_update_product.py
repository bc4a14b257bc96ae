"""Changing a product: moderation again, stock, and access."""

import pytest
from msgspec import convert

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Forbidden, NotFound
from nextbuy.contracts.product import DecideProduct, Product, ReleaseStock
from nextbuy.contracts.values import new_id
from nextbuy.product.decide_product import decide_product
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import caller
from tests.outbox import data, published, topics
from tests.product.service_harness import ServiceHarness, rules, shown


async def change(service: ServiceHarness, who: Account, product: Product, **fields: object) -> Product:
    request = convert({"product_id": product.id, **fields}, UpdateProduct)
    return (await update_product(service.deps, caller(who), request)).product


async def decide(service: ServiceHarness, product: Product, decision: str, reason: str = "") -> None:
    call = DecideProduct(product_id=product.id, decision=decision, reason=reason, by=new_id())  # type: ignore[arg-type]
    await decide_product(service.deps, call)


async def test_new_price_and_stock_are_seen_at_once(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await service.get_product(kettle.id)

    changed = await change(service, seller, kettle, price={"amount": 2_600}, stock=3)

    assert (changed.price.amount, changed.stock, changed.status) == (2_600, 3, "active")
    assert await service.get_product(kettle.slug) == shown(changed)
    assert await topics(service.database) == ["product.created", "product.updated"]
    assert data((await published(service.database))[1])["fields"] == ["price", "stock"]


async def test_setting_stock_leaves_held_units_unchanged(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=10)
    await service.hold((kettle, 4))

    await change(service, seller, kettle, stock=100)

    assert await service.stock_levels(kettle) == (100, 4, 0)


@pytest.mark.parametrize("fields", [{"stock": 0}, {"stock_change": -2}, {"title": "Other kettle"}, {}])
async def test_reply_has_the_held_units_that_may_come_back(service: ServiceHarness, fields: dict[str, object]) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=5)
    session = await service.hold((kettle, 3))

    reply = await update_product(
        service.deps, caller(seller), convert({"product_id": kettle.id, **fields}, UpdateProduct)
    )

    left = 0 if "stock" in str(fields) else 2
    assert (reply.product.stock, reply.held) == (left, 3)
    await release_stock(service.deps, ReleaseStock(session_id=session))
    again = await update_product(service.deps, caller(seller), UpdateProduct(product_id=kettle.id))
    assert (again.product.stock, again.held) == (left + 3, 0)


async def test_request_without_effect_publishes_nothing(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)

    assert await change(service, seller, kettle, title=" Copper  kettle ", stock=10) == kettle
    assert await change(service, seller, kettle) == kettle
    assert await topics(service.database) == ["product.created"]


async def test_product_of_another_seller_is_not_found(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    other = await service.seller(name="Other")

    with pytest.raises(NotFound):
        await change(service, other, kettle, stock=0)

    assert await service.stock_levels(kettle) == (10, 0, 0)


async def test_suspended_shop_cannot_change_products(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await service.set_shop_status(seller, "suspended")

    with pytest.raises(Forbidden):
        await change(service, seller, kettle, stock=0)


async def test_banned_word_in_update_rejects_product(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)

    changed = await change(service, seller, kettle, title="Stolen kettle")

    assert (changed.status, rules(changed.moderation)) == ("rejected", ["banned-word"])
    assert (await topics(service.database))[1:] == ["product.updated", "product.rejected"]

    with pytest.raises(NotFound):
        await service.get_product(kettle.id)


async def test_corrected_product_is_for_sale(service: ServiceHarness) -> None:
    seller = await service.seller()
    toy = await service.create_product(seller, "A old gun")

    assert (await change(service, seller, toy, title="A toy boat")).status == "active"
    assert (await service.get_product(toy.id)).title == "A toy boat"


async def test_product_rejected_by_admin_needs_admin_again(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await decide(service, kettle, "rejected", "The picture is another shop's.")

    changed = await change(service, seller, kettle, title="Copper kettle, large")

    assert changed.status == "pending"
    assert [r.excerpt for r in changed.moderation.reasons] == ["The picture is another shop's."]
    assert (await change(service, seller, kettle, title="Copper kettle, larger")).status == "pending"

    await decide(service, kettle, "active")
    assert (await change(service, seller, kettle, title="Copper kettle, largest")).status == "active"


async def test_small_price_steps_that_add_up_leave_product_pending(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, price={"amount": 1_000})

    assert (await change(service, seller, kettle, price={"amount": 1_150})).status == "active"

    waiting = await change(service, seller, kettle, price={"amount": 1_300})
    assert (waiting.status, rules(waiting.moderation)) == ("pending", ["price-moved"])
    assert (await change(service, seller, kettle, title="Kettle of copper")).status == "pending"

    await decide(service, kettle, "active")
    assert (await change(service, seller, kettle, price={"amount": 1_500})).status == "active"

"""A basket in its owner's words."""

import pytest

from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.contracts.product import Line, PricedLine, ValidateProducts
from nextbuy.contracts.values import new_id
from nextbuy.product.validate_products import validate_products
from tests.product.service_harness import Desk


async def validate(desk: Desk, *lines: Line) -> list[PricedLine]:
    return (await validate_products(desk.product, ValidateProducts(lines=list(lines)))).lines


async def test_lines_keep_their_order_and_those_of_one_product_become_one(desk: Desk) -> None:
    seller = await desk.seller()
    kettle, mug = await desk.offer(seller), await desk.offer(seller, "Blue mug", price={"amount": 700})
    lines = await validate(desk, Line(mug.id, 1), Line(kettle.id, 2), Line(mug.id, 3))
    assert lines == [
        PricedLine(mug.id, mug.shop_id, "Blue mug", 4, mug.price),
        PricedLine(kettle.id, kettle.shop_id, "Copper kettle", 2, kettle.price),
    ]


async def test_too_few_is_sold_out_with_what_is_left(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=3)
    with pytest.raises(Conflict, match="Only 3 left of “Copper kettle”"):
        await validate(desk, Line(kettle.id, 2), Line(kettle.id, 2))


async def test_what_is_not_for_sale_is_named_and_not_there(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    waiting = await desk.offer(await desk.seller(), "Desk lamp", category="electronics")
    unseen = await desk.offer(await desk.seller("pending"))
    for product_id in (waiting.id, unseen.id, new_id()):
        with pytest.raises(NotFound, match=str(product_id)) as missing:
            await validate(desk, Line(kettle.id, 1), Line(product_id, 1))
        assert missing.value.slug == "no-such-product"

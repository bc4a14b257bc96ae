"""Pricing the lines of a basket."""

import pytest

from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.contracts.product import Line, QuotedLine, ValidateProducts
from nextbuy.contracts.values import new_id
from nextbuy.product.validate_products import validate_products
from tests.product.service_harness import ServiceHarness


async def validate(service: ServiceHarness, *lines: Line) -> list[QuotedLine]:
    return (await validate_products(service.deps, ValidateProducts(lines=list(lines)))).lines


async def test_lines_of_one_product_are_merged_in_order(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle, mug = (
        await service.create_product(seller),
        await service.create_product(seller, "Blue mug", price={"amount": 700}),
    )

    lines = await validate(service, Line(mug.id, 1), Line(kettle.id, 2), Line(mug.id, 3))

    assert lines == [
        QuotedLine(mug.id, mug.shop_id, "Blue mug", 4, mug.price),
        QuotedLine(kettle.id, kettle.shop_id, "Copper kettle", 2, kettle.price),
    ]


async def test_insufficient_stock_is_refused_with_units_left(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=3)
    with pytest.raises(Conflict, match="Only 3 of “Copper kettle” are left"):
        await validate(service, Line(kettle.id, 2), Line(kettle.id, 2))


async def test_product_not_for_sale_is_not_found_by_id(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    waiting = await service.create_product(await service.seller(), "Desk lamp", category="electronics")
    unseen = await service.create_product(await service.seller("pending"))
    for product_id in (waiting.id, unseen.id, new_id()):
        with pytest.raises(NotFound, match=str(product_id)) as missing:
            await validate(service, Line(kettle.id, 1), Line(product_id, 1))
        assert missing.value.slug == "product-not-found"

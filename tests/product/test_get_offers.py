"""The products of a basket, as they are for sale now."""

from nextbuy.contracts.product_offers import GetOffers, ProductOffer
from nextbuy.contracts.values import new_id
from nextbuy.product.get_offers import get_offers
from tests.product.service_harness import ServiceHarness


async def test_offer_is_the_product_as_buyers_see_it(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=3)

    reply = await get_offers(service.deps, GetOffers(product_ids=[kettle.id]))

    [offer] = reply.offers
    assert offer == ProductOffer(
        product_id=kettle.id,
        shop_id=kettle.shop_id,
        shop_name=kettle.shop_name,
        shop_slug=kettle.shop_slug,
        slug=kettle.slug,
        title="Copper kettle",
        unit_price=kettle.price,
        stock=3,
        picture=kettle.picture,
    )
    assert reply.missing == []


async def test_products_that_are_not_for_sale_are_missing(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    waiting = await service.create_product(await service.seller(), "Desk lamp", category="electronics")
    unseen = await service.create_product(await service.seller("pending"))
    unknown = new_id()

    reply = await get_offers(service.deps, GetOffers(product_ids=[unknown, waiting.id, kettle.id, unseen.id]))

    assert [offer.product_id for offer in reply.offers] == [kettle.id]
    assert reply.missing == [unknown, waiting.id, unseen.id]

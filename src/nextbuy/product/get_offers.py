"""Call GetOffers: the products of a basket, as they are for sale now."""

from nextbuy.contracts.product_offers import GetOffers, Offers
from nextbuy.product.deps import Deps
from nextbuy.product.store.products import get_shown_offers


async def get_offers(deps: Deps, call: GetOffers) -> Offers:
    """Return the products for sale among these, and the ids of the others."""
    offers = await get_shown_offers(deps.database, call.product_ids)
    found = {offer.product_id for offer in offers}
    return Offers(offers, [one for one in dict.fromkeys(call.product_ids) if one not in found])

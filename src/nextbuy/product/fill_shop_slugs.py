"""Job: read the slugs of shops from seller that product copied from events without them, as 0.2.0 publishes."""

from nextbuy.contracts.seller import MAX_SHOPS
from nextbuy.product.deps import Deps
from nextbuy.product.store.shops import fill_slugs, read_without_slug


async def fill_shop_slugs(deps: Deps) -> bool:
    """Store the slugs of up to `MAX_SHOPS` shops; return whether there may be more, so that the job runs again at once.

    A shop that seller does not know keeps its id as its slug.
    """
    versions = await read_without_slug(deps.database, MAX_SHOPS)
    if versions:
        found = {shop.id: (shop.slug, shop.version) for shop in await deps.seller.get_shops(list(versions))}
        await fill_slugs(
            deps.database,
            [(shop_id, *found.get(shop_id, (str(shop_id), version))) for shop_id, version in versions.items()],
        )
    return len(versions) == MAX_SHOPS

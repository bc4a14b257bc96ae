"""The dependencies of analytics."""

from dataclasses import dataclass

from nextbuy.analytics.best_sellers_cache import BestSellersCache
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """Clients of the services whose event logs a rebuild reads, the database, and the cache of best sellers."""

    auth: AuthClient
    product: ProductClient
    seller: SellerClient
    order: OrderClient
    database: Database
    best_sellers: BestSellersCache


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of analytics from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        product=ProductClient(context.send),
        seller=SellerClient(context.send),
        order=OrderClient(context.send),
        database=context.database,
        best_sellers=BestSellersCache(context.cache),
    )

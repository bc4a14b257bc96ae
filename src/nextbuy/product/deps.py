"""The dependencies of product."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database
from nextbuy.product.activity_buffer import ActivityBuffer
from nextbuy.product.counters_cache import CountersCache
from nextbuy.product.product_cache import ProductCache
from nextbuy.product.store.changes import ChangeFeed


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The services, the database and the caches that product uses."""

    auth: AuthClient
    seller: SellerClient
    database: Database
    journal: Journal
    cache: ProductCache
    feed: ChangeFeed
    activity: ActivityBuffer
    counters: CountersCache


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of product from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        seller=SellerClient(context.send),
        database=context.database,
        journal=context.journal,
        cache=ProductCache(context.cache),
        feed=ChangeFeed(context.database),
        activity=ActivityBuffer(),
        counters=CountersCache(),
    )

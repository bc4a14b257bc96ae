"""The dependencies of kafka."""

from dataclasses import dataclass

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kafka.best_sellers_cache import BestSellersCache
from nextbuy.kafka.mailer import Mailer, mailer_for
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The services, the database and the mailer that kafka uses; links in mails start with `public_url`."""

    auth: AuthClient
    admin: AdminClient
    product: ProductClient
    seller: SellerClient
    order: OrderClient
    database: Database
    interactions: Interactions
    mailer: Mailer
    public_url: str
    best_sellers: BestSellersCache


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of kafka from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        admin=AdminClient(context.send),
        product=ProductClient(context.send),
        seller=SellerClient(context.send),
        order=OrderClient(context.send),
        database=context.database,
        interactions=context.interactions,
        mailer=mailer_for(context.settings.smtp),
        public_url=context.settings.public_url,
        best_sellers=BestSellersCache(),
    )

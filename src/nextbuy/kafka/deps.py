"""What the kafka service needs of others."""

from dataclasses import dataclass, field

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kafka.best_sellers_cache import BestSellersCache
from nextbuy.kafka.mailer import Mailer, StoredMailer, mailer_for
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True)
class Deps:
    """The kafka service's needs: it tells others what happened, asks auth who is who, and reads event logs."""

    auth: AuthClient
    admin: AdminClient
    product: ProductClient
    seller: SellerClient
    order: OrderClient
    database: Database
    interactions: Interactions
    mailer: Mailer = field(default_factory=StoredMailer)
    public_url: str = "http://127.0.0.1:8080"
    best: BestSellersCache = field(default_factory=BestSellersCache)


def assemble(parts: ServiceContext) -> Deps:
    """Return the kafka service's needs out of a process's parts."""
    return Deps(
        auth=AuthClient(parts.send),
        admin=AdminClient(parts.send),
        product=ProductClient(parts.send),
        seller=SellerClient(parts.send),
        order=OrderClient(parts.send),
        database=parts.database,
        interactions=parts.interactions,
        mailer=mailer_for(parts.settings.smtp),
        public_url=parts.settings.public_url,
    )

"""What product needs."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database
from nextbuy.product.activity import Activities
from nextbuy.product.counters import KnownCounters
from nextbuy.product.product_cache import ProductCache


@dataclass(frozen=True)
class Deps:
    """What product's use cases are given."""

    auth: AuthClient
    seller: SellerClient
    database: Database
    journal: Journal
    shelf: ProductCache
    activities: Activities
    counters: KnownCounters


def assemble(parts: ServiceContext) -> Deps:
    """Put the parts of a process together for product."""
    return Deps(
        AuthClient(parts.send),
        SellerClient(parts.send),
        parts.database,
        parts.journal,
        ProductCache(),
        Activities(),
        KnownCounters(),
    )

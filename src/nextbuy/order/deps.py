"""What order needs of others."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database
from nextbuy.order.payments import Payments, SimulatorPayments


@dataclass(frozen=True)
class Deps:
    """Order's needs; its clients are the specification's "Depends on" table."""

    auth: AuthClient
    product: ProductClient
    seller: SellerClient
    payments: Payments
    database: Database
    clock: Clock
    settings: Settings
    journal: Journal


def assemble(parts: ServiceContext) -> Deps:
    """Return order's needs out of a process's parts."""
    return Deps(
        auth=AuthClient(parts.send),
        product=ProductClient(parts.send),
        seller=SellerClient(parts.send),
        payments=SimulatorPayments(parts.send, parts.settings.public_url),
        database=parts.database,
        clock=parts.clock,
        settings=parts.settings,
        journal=parts.journal,
    )

"""The dependencies of the order service."""

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


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The dependencies of the order service; its clients are the specification's "Depends on" table."""

    auth: AuthClient
    product: ProductClient
    seller: SellerClient
    payments: Payments
    database: Database
    clock: Clock
    settings: Settings
    journal: Journal


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies from what the process provides."""
    return Deps(
        auth=AuthClient(context.send),
        product=ProductClient(context.send),
        seller=SellerClient(context.send),
        payments=SimulatorPayments(context.send, context.settings.public_url),
        database=context.database,
        clock=context.clock,
        settings=context.settings,
        journal=context.journal,
    )

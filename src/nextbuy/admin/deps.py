"""The dependencies of admin."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The services and the database that admin uses."""

    auth: AuthClient
    product: ProductClient
    seller: SellerClient
    database: Database


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of admin from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        product=ProductClient(context.send),
        seller=SellerClient(context.send),
        database=context.database,
    )

"""What admin needs of others."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True)
class Deps:
    """Admin's needs; its clients are the specification's "Depends on" table."""

    auth: AuthClient
    product: ProductClient
    seller: SellerClient
    database: Database


def assemble(parts: ServiceContext) -> Deps:
    """Return admin's needs out of a process's parts."""
    return Deps(
        auth=AuthClient(parts.send),
        product=ProductClient(parts.send),
        seller=SellerClient(parts.send),
        database=parts.database,
    )

"""The dependencies of admin."""

from dataclasses import dataclass

from nextbuy.admin.changes import CHANGES
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.http.change_streams import ChangeStreams
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The services and the database that admin uses."""

    auth: AuthClient
    product: ProductClient
    seller: SellerClient
    database: Database
    streams: ChangeStreams


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of admin from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        product=ProductClient(context.send),
        seller=SellerClient(context.send),
        database=context.database,
        streams=ChangeStreams(context.database, CHANGES),
    )

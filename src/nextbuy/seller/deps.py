"""The dependencies of seller."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The service and the database that seller uses."""

    auth: AuthClient
    database: Database


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of seller from the context of its process."""
    return Deps(auth=AuthClient(context.send), database=context.database)

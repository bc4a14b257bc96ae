"""What seller needs of others."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True)
class Deps:
    """Seller's needs; its clients are the specification's "Depends on" table."""

    auth: AuthClient
    database: Database


def assemble(parts: ServiceContext) -> Deps:
    """Return seller's needs out of a process's parts."""
    return Deps(auth=AuthClient(parts.send), database=parts.database)

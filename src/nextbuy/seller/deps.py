"""What seller needs of others."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.kit.database import Database
from nextbuy.kit.parts import Parts


@dataclass(frozen=True)
class Deps:
    """Seller's needs; its clients are the specification's "Depends on" table."""

    auth: AuthClient
    database: Database


def assemble(parts: Parts) -> Deps:
    """Return seller's needs out of a process's parts."""
    return Deps(auth=AuthClient(parts.send), database=parts.database)

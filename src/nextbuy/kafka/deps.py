"""What the kafka service needs of others."""

from dataclasses import dataclass

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.product import ProductClient
from nextbuy.kit.database import Database
from nextbuy.kit.interactions import Interactions
from nextbuy.kit.parts import Parts


@dataclass(frozen=True)
class Deps:
    """The kafka service's needs: it tells admin and product what happened, and asks auth who reads its dead letters."""

    auth: AuthClient
    admin: AdminClient
    product: ProductClient
    database: Database
    interactions: Interactions


def assemble(parts: Parts) -> Deps:
    """Return the kafka service's needs out of a process's parts."""
    return Deps(
        auth=AuthClient(parts.send),
        admin=AdminClient(parts.send),
        product=ProductClient(parts.send),
        database=parts.database,
        interactions=parts.interactions,
    )

"""What product needs."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.database import Database
from nextbuy.kit.parts import Parts
from nextbuy.kit.telemetry import Journal
from nextbuy.product.activity import Activities
from nextbuy.product.counters import KnownCounters
from nextbuy.product.shelf import Shelf


@dataclass(frozen=True)
class Deps:
    """What product's use cases are given."""

    auth: AuthClient
    seller: SellerClient
    database: Database
    journal: Journal
    shelf: Shelf
    activities: Activities
    counters: KnownCounters


def assemble(parts: Parts) -> Deps:
    """Put the parts of a process together for product."""
    return Deps(
        AuthClient(parts.send),
        SellerClient(parts.send),
        parts.database,
        parts.journal,
        Shelf(),
        Activities(),
        KnownCounters(),
    )

"""What the kafka service needs of others."""

from dataclasses import dataclass, field

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kafka.best_list import BestList
from nextbuy.kafka.mailer import KeepingMailer, Mailer, mailer_of
from nextbuy.kit.database import Database
from nextbuy.kit.interactions import Interactions
from nextbuy.kit.parts import Parts


@dataclass(frozen=True)
class Deps:
    """The kafka service's needs: it tells others what happened, asks auth who is who, and reads event logs."""

    auth: AuthClient
    admin: AdminClient
    product: ProductClient
    seller: SellerClient
    order: OrderClient
    database: Database
    interactions: Interactions
    mailer: Mailer = field(default_factory=KeepingMailer)
    public_url: str = "http://127.0.0.1:8080"
    best: BestList = field(default_factory=BestList)


def assemble(parts: Parts) -> Deps:
    """Return the kafka service's needs out of a process's parts."""
    return Deps(
        auth=AuthClient(parts.send),
        admin=AdminClient(parts.send),
        product=ProductClient(parts.send),
        seller=SellerClient(parts.send),
        order=OrderClient(parts.send),
        database=parts.database,
        interactions=parts.interactions,
        mailer=mailer_of(parts.settings.smtp),
        public_url=parts.settings.public_url,
    )

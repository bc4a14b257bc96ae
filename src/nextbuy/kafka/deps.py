"""What the kafka service needs of others."""

from dataclasses import dataclass, field

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.product import ProductClient
from nextbuy.kafka.mailer import KeepingMailer, Mailer, mailer_of
from nextbuy.kit.database import Database
from nextbuy.kit.interactions import Interactions
from nextbuy.kit.parts import Parts


@dataclass(frozen=True)
class Deps:
    """The kafka service's needs: admin and product hear what happened; auth says who asks, and who is written to."""

    auth: AuthClient
    admin: AdminClient
    product: ProductClient
    database: Database
    interactions: Interactions
    mailer: Mailer = field(default_factory=KeepingMailer)
    public_url: str = "http://127.0.0.1:8080"


def assemble(parts: Parts) -> Deps:
    """Return the kafka service's needs out of a process's parts."""
    return Deps(
        auth=AuthClient(parts.send),
        admin=AdminClient(parts.send),
        product=ProductClient(parts.send),
        database=parts.database,
        interactions=parts.interactions,
        mailer=mailer_of(parts.settings.smtp),
        public_url=parts.settings.public_url,
    )

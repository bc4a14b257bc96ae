"""The dependencies of notification."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.http.change_streams import ChangeStreams
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database
from nextbuy.notification.mailer import Mailer, mailer_for
from nextbuy.notification.store.notifications import CHANGES


@dataclass(frozen=True, kw_only=True)
class Deps:
    """Auth for the accounts of recipients, the database and the mailer; links in mails begin with `public_url`."""

    auth: AuthClient
    database: Database
    mailer: Mailer
    public_url: str
    marketplace: Marketplace
    journal: Journal
    streams: ChangeStreams


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of notification from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        database=context.database,
        mailer=mailer_for(context.settings.smtp),
        public_url=context.settings.public_url,
        marketplace=context.settings.marketplace,
        journal=context.journal,
        streams=ChangeStreams(context.database, CHANGES),
    )

"""The dependencies of the payment simulator."""

from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database
from nextbuy.simulator.webhook_dispatcher import WebhookDispatcher


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The dependencies of the simulator; only its endpoints for admins call auth.

    Like any provider, it reports payments to the marketplace's public URL.
    """

    auth: AuthClient
    database: Database
    clock: Clock
    settings: Settings
    journal: Journal
    dispatcher: WebhookDispatcher


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies from what the process provides."""
    return Deps(
        auth=AuthClient(context.send),
        database=context.database,
        clock=context.clock,
        settings=context.settings,
        journal=context.journal,
        dispatcher=WebhookDispatcher(HttpTransport("gateway", context.settings.public_url)),
    )


async def close(deps: Deps) -> None:
    """Stop the deliveries in progress and close their connections."""
    await deps.dispatcher.close()

"""What the simulator needs: no other service."""

from dataclasses import dataclass

from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database
from nextbuy.simulator.webhook_dispatcher import WebhookDispatcher


@dataclass(frozen=True)
class Deps:
    """The simulator's needs; it knows the shop by its public address alone, as a provider would."""

    database: Database
    clock: Clock
    settings: Settings
    journal: Journal
    courier: WebhookDispatcher


def assemble(parts: ServiceContext) -> Deps:
    """Return the simulator's needs out of a process's parts."""
    return Deps(
        database=parts.database,
        clock=parts.clock,
        settings=parts.settings,
        journal=parts.journal,
        courier=WebhookDispatcher(HttpTransport("gateway", parts.settings.public_url)),
    )


async def let_go(deps: Deps) -> None:
    """Let go of what `assemble` opened."""
    await deps.courier.close()

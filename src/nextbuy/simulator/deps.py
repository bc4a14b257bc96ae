"""What the simulator needs: no other service."""

from dataclasses import dataclass

from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.database import Database
from nextbuy.kit.parts import Parts
from nextbuy.kit.telemetry import Journal
from nextbuy.kit.transports import HttpTransport
from nextbuy.simulator.courier import Courier


@dataclass(frozen=True)
class Deps:
    """The simulator's needs; it knows the shop by its public address alone, as a provider would."""

    database: Database
    clock: Clock
    settings: Settings
    journal: Journal
    courier: Courier


def assemble(parts: Parts) -> Deps:
    """Return the simulator's needs out of a process's parts."""
    return Deps(
        database=parts.database,
        clock=parts.clock,
        settings=parts.settings,
        journal=parts.journal,
        courier=Courier(HttpTransport("gateway", parts.settings.public_url)),
    )


async def let_go(simulator: Deps) -> None:
    """Let go of what `assemble` opened."""
    await simulator.courier.close()

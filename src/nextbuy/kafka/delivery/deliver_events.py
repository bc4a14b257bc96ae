"""Task: deliver the events of the bus to every service that subscribes to some, each independently of the others."""

import asyncio

from nextbuy.kafka.delivery.dispatcher import Dispatcher
from nextbuy.kafka.deps import Deps
from nextbuy.kit.restart import keep_running


async def deliver_events(deps: Deps) -> None:
    """Run a dispatcher per destination until cancelled; one that crashes is restarted alone."""
    async with asyncio.TaskGroup() as tasks:
        for destination in deps.destinations:
            late = deps.late.queue(destination.name)
            dispatcher = Dispatcher(destination, deps.delivery, deps.bus, deps.database, late, deps.publishers)
            tasks.create_task(keep_running(f"kafka.deliver-to-{destination.name}", dispatcher.run))

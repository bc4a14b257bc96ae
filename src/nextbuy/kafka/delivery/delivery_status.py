"""The lag of each destination, for `GET /health/status`."""

from nextbuy.kafka.deps import Deps


async def delivery_status(deps: Deps) -> dict[str, object]:
    """Return how many events wait on the bus for each destination, and the age of the oldest."""
    return {"destinations": await deps.bus.backlogs({one.name: list(one.topics) for one in deps.destinations})}

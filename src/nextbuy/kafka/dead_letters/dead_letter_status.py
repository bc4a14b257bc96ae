"""The number of dead letters, for `GET /health/status`."""

from nextbuy.kafka.dead_letters.store import count_waiting
from nextbuy.kafka.deps import Deps


async def dead_letter_status(deps: Deps) -> dict[str, object]:
    """Return the number of dead letters that wait for an operator."""
    return {"dead_letters": await count_waiting(deps.database)}

"""Dead letters that were replayed or discarded are dropped after 90 days; those that wait stay until somebody acts."""

from nextbuy.kafka.deps import Deps
from nextbuy.kit.dead_letters import forget_settled


async def forget_dead_letters(kafka: Deps) -> bool:
    """Drop some, and say whether there may be more."""
    return await forget_settled(kafka.database)

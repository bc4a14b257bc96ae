"""POST /kafka/api/dead-letters/replay: all that wait and that a filter names are tried again.

Accepted, not done: `GET /kafka/api/replays/{id}` tells how far it has come.
"""

from nextbuy.kafka.dead_letters import dead_letter_acts
from nextbuy.kafka.deps import Deps
from nextbuy.kit.dead_letters import Filter
from nextbuy.kit.replays import Replay
from nextbuy.kit.web import Caller


async def replay_dead_letters(kafka: Deps, caller: Caller, ask: Filter) -> Replay:
    """Ask for a replay of at most 10,000 letters, the oldest first; an empty filter names every one that waits."""
    admin = await kafka.auth.validate_admin(caller.token)
    async with kafka.database.transaction() as tx:
        asked = await dead_letter_acts.replay_some(tx, str(admin.id), ask)
        await caller.keep(tx, asked)
    return asked

"""POST /kafka/api/dead-letters/replay: all that wait and that a filter names are tried again.

Accepted, not done: `GET /kafka/api/replays/{id}` tells how far it has come.
"""

from nextbuy.kafka.dead_letters import operations as dead_letter_acts
from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.dead_letters.replays import Replay
from nextbuy.kit.events.dead_letters.store import Filter
from nextbuy.kit.http.caller import Caller


async def replay_dead_letters(deps: Deps, caller: Caller, request: Filter) -> Replay:
    """Ask for a replay of at most 10,000 letters, the oldest first; an empty filter names every one that waits."""
    admin = await deps.auth.validate_admin(caller.token)
    async with deps.database.transaction() as tx:
        asked = await dead_letter_acts.replay_matching(tx, str(admin.id), request)
        await caller.store_response(tx, asked)
    return asked

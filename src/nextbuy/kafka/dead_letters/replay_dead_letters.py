"""POST /kafka/api/dead-letters/replay: replay all waiting dead letters that match a filter.

The response is 202: `GET /kafka/api/replays/{id}` shows the progress.
"""

from nextbuy.kafka.dead_letters import operations
from nextbuy.kafka.dead_letters.replay_requests import Replay
from nextbuy.kafka.dead_letters.store import Filter
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


async def replay_dead_letters(deps: Deps, caller: Caller, request: Filter) -> Replay:
    """Request the replay of the waiting dead letters that match a filter, at most 10,000, the oldest first.

    An empty filter matches every waiting dead letter.
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        run = await operations.replay_matching(tx, str(admin.id), request)
        await caller.store_response(tx, run)
    return run

"""POST /kafka/api/dead-letters/{id}/replay: replay a dead letter.

The response is 202: the handler that failed runs later, and the dead letter then shows the result.
"""

from nextbuy.kafka.dead_letters import operations
from nextbuy.kafka.dead_letters.operations import DeadLetterRef
from nextbuy.kafka.dead_letters.store import DeadLetter
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


async def replay_dead_letter(deps: Deps, caller: Caller, request: DeadLetterRef) -> DeadLetter:
    """Request the replay of a dead letter.

    Raises:
        NotFound: it does not exist.
        Conflict: it was replayed or discarded.
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        letter = await operations.replay(tx, str(admin.id), request.id)
        await caller.store_response(tx, letter)
    return letter

"""POST /kafka/api/dead-letters/{id}/replay: an event that could not be applied is tried again.

Accepted, not done: the consumer runs the handler that failed, and the letter then says how it went.
"""

from nextbuy.kafka.dead_letters import operations as dead_letter_acts
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import OfDeadLetter
from nextbuy.kit.events.dead_letters.store import DeadLetter
from nextbuy.kit.http.caller import Caller


async def replay_dead_letter(deps: Deps, caller: Caller, request: OfDeadLetter) -> DeadLetter:
    """Ask for a replay; `Conflict` where the event has been applied since."""
    admin = await deps.auth.validate_admin(caller.token)
    async with deps.database.transaction() as tx:
        letter = await dead_letter_acts.replay(tx, str(admin.id), request.id)
        await caller.store_response(tx, letter)
    return letter

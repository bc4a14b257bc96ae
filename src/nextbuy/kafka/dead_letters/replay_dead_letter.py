"""POST /kafka/api/dead-letters/{id}/replay: an event that could not be applied is tried again.

Accepted, not done: the consumer runs the handler that failed, and the letter then says how it went.
"""

from nextbuy.kafka.dead_letters import dead_letter_acts
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import OfDeadLetter
from nextbuy.kit.dead_letters import DeadLetter
from nextbuy.kit.web import Caller


async def replay_dead_letter(kafka: Deps, caller: Caller, ask: OfDeadLetter) -> DeadLetter:
    """Ask for a replay; `Refused` where the event has been applied since."""
    admin = await kafka.auth.validate_admin(caller.token)
    async with kafka.database.transaction() as tx:
        letter = await dead_letter_acts.replay(tx, str(admin.id), ask.id)
        await caller.keep(tx, letter)
    return letter

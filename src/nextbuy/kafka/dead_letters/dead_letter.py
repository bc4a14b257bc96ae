"""GET /kafka/api/dead-letters/{id}: one dead letter, whole."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import OfDeadLetter
from nextbuy.kit.events.dead_letters import store as letters
from nextbuy.kit.events.dead_letters.store import DeadLetter
from nextbuy.kit.http.caller import Caller


async def dead_letter(deps: Deps, caller: Caller, request: OfDeadLetter) -> DeadLetter:
    """Return a dead letter; `NotFound` where there is none of this id."""
    await deps.auth.validate_admin(caller.token)
    return await letters.get_dead_letter(deps.database, request.id)

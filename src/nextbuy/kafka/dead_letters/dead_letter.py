"""GET /kafka/api/dead-letters/{id}: one dead letter."""

from nextbuy.kafka.dead_letters import store
from nextbuy.kafka.dead_letters.operations import DeadLetterRef
from nextbuy.kafka.dead_letters.store import DeadLetter
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


async def dead_letter(deps: Deps, caller: Caller, request: DeadLetterRef) -> DeadLetter:
    """Show a dead letter with its event and its errors.

    Raises:
        NotFound: it does not exist, or was purged.
    """
    await deps.auth.validate_admin(caller)
    return await store.get_dead_letter(deps.database, request.id)

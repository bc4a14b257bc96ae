"""POST /kafka/api/dead-letters/{id}/discard: an event is given up for good, for a reason."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import ShortText
from nextbuy.kafka.dead_letters import operations as dead_letter_acts
from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.dead_letters.store import DeadLetter
from nextbuy.kit.http.caller import Caller


class DiscardDeadLetter(Struct, frozen=True):
    """Which one, and why nobody needs it."""

    id: UUID
    reason: ShortText


async def discard_dead_letter(deps: Deps, caller: Caller, request: DiscardDeadLetter) -> DeadLetter:
    """Discard a dead letter; `Conflict` where it was applied since, is being replayed, or was discarded."""
    admin = await deps.auth.validate_admin(caller.token)
    async with deps.database.transaction() as tx:
        letter = await dead_letter_acts.discard(tx, str(admin.id), request.id, request.reason)
        await caller.store_response(tx, letter)
    return letter

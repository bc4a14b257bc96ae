"""POST /kafka/api/dead-letters/{id}/discard: an event is given up for good, for a reason."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import ShortText
from nextbuy.kafka.dead_letters import dead_letter_acts
from nextbuy.kafka.deps import Deps
from nextbuy.kit.dead_letters import DeadLetter
from nextbuy.kit.web import Caller


class DiscardDeadLetter(Struct, frozen=True):
    """Which one, and why nobody needs it."""

    id: UUID
    reason: ShortText


async def discard_dead_letter(kafka: Deps, caller: Caller, ask: DiscardDeadLetter) -> DeadLetter:
    """Discard a dead letter; `Refused` where it was applied since, is being replayed, or was discarded."""
    admin = await kafka.auth.validate_admin(caller.token)
    async with kafka.database.transaction() as tx:
        letter = await dead_letter_acts.discard(tx, str(admin.id), ask.id, ask.reason)
        await caller.keep(tx, letter)
    return letter

"""POST /kafka/api/dead-letters/{id}/discard: discard a dead letter, whose event is then never applied."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import ShortText
from nextbuy.kafka.dead_letters import operations
from nextbuy.kafka.dead_letters.store import DeadLetter
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


class DiscardDeadLetter(Struct, frozen=True):
    """The dead letter, and the reason for discarding it."""

    id: UUID
    reason: ShortText


async def discard_dead_letter(deps: Deps, caller: Caller, request: DiscardDeadLetter) -> DeadLetter:
    """Discard a dead letter: its event is never applied.

    Raises:
        NotFound: it does not exist.
        Conflict: it was replayed or discarded, or a replay of it is running.
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        letter = await operations.discard(tx, str(admin.id), request.id, request.reason)
        await caller.store_response(tx, letter)
    return letter

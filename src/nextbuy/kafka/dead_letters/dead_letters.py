"""GET /kafka/api/dead-letters: events that could not be applied, the latest first."""

from msgspec import UNSET, UnsetType

from nextbuy.contracts.values import Cursor, Limit, Page
from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.dead_letters import store as letters
from nextbuy.kit.events.dead_letters.store import DeadLetter, Filter, Status
from nextbuy.kit.http.caller import Caller


class DeadLetters(Filter, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Which of them, and which part of the list; of every status where none is named."""

    status: Status | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


async def dead_letters(deps: Deps, caller: Caller, request: DeadLetters) -> Page[DeadLetter]:
    """Return a page of dead letters."""
    await deps.auth.validate_admin(caller.token)
    return await letters.list_dead_letters(
        deps.database,
        request.limit,
        None if request.cursor is UNSET else request.cursor,
        status=None if request.status is UNSET else request.status,
        only=request,
    )

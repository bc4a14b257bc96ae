"""GET /kafka/api/dead-letters: events that could not be applied, newest first."""

from msgspec import UNSET, UnsetType

from nextbuy.contracts.values import Cursor, Limit, Page
from nextbuy.kafka.dead_letters import store
from nextbuy.kafka.dead_letters.store import DeadLetter, Filter, Status
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


class ListDeadLetters(Filter, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A filter, a status (any by default), and a page of the list."""

    status: Status | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


async def dead_letters(deps: Deps, caller: Caller, request: ListDeadLetters) -> Page[DeadLetter]:
    """List dead letters, newest first."""
    await deps.auth.validate_admin(caller)
    return await store.list_dead_letters(
        deps.database,
        request.limit,
        None if request.cursor is UNSET else request.cursor,
        status=None if request.status is UNSET else request.status,
        only=request,
    )

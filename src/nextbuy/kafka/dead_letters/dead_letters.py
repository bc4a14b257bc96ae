"""GET /kafka/api/dead-letters: events that could not be applied, the latest first."""

from msgspec import UNSET, UnsetType

from nextbuy.contracts.values import Cursor, Limit, Page
from nextbuy.kafka.deps import Deps
from nextbuy.kit import dead_letters as letters
from nextbuy.kit.dead_letters import DeadLetter, Filter, Status
from nextbuy.kit.web import Caller


class DeadLetters(Filter, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Which of them, and which part of the list; of every status where none is named."""

    status: Status | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


async def dead_letters(kafka: Deps, caller: Caller, ask: DeadLetters) -> Page[DeadLetter]:
    """Return a page of dead letters."""
    await kafka.auth.validate_admin(caller.token)
    return await letters.page(
        kafka.database,
        ask.limit,
        None if ask.cursor is UNSET else ask.cursor,
        status=None if ask.status is UNSET else ask.status,
        only=ask,
    )

"""GET /order/api/verify-history: compare stored sessions and orders with the event log.

A page covers sessions in the order of their ids, including sessions that are only in the log. Each is rebuilt from its
events and compared field by field. A page is read in one snapshot, so that new checkouts cause no differences.
"""

from typing import Annotated, Final
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.values import PAGE_LIMIT, Cursor
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.order.deps import Deps
from nextbuy.order.differences import Difference, session_differences
from nextbuy.order.history import fold
from nextbuy.order.store import session_projection

_LIST: Final = ("verify-history",)


class VerifyHistory(Struct, frozen=True):
    """A request to verify a page of sessions."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_LIMIT)] = PAGE_LIMIT
    cursor: Cursor | UnsetType = UNSET


class HistoryVerified(Struct, frozen=True, kw_only=True):
    """The number of sessions compared, and the differences found."""

    verified: int
    items: list[Difference]
    next_cursor: str | None


async def verify_history(deps: Deps, caller: Caller, request: VerifyHistory) -> HistoryVerified:
    """Rebuild a page of sessions from the event log and compare each with its stored rows.

    Raises:
        Conflict: the sessions of the page have too many events (`too-many-events`).
    """
    await deps.auth.validate_user(caller)
    after = session_projection.BEFORE_FIRST_ID
    if request.cursor is not UNSET:
        after = decode_cursor(_LIST, request.cursor, UUID)[0]
    async with deps.database.transaction() as tx:
        await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        ids = await session_projection.session_ids(tx, after, limit=request.limit)
        stored = await session_projection.stored_projections(tx, ids)
        logged = await session_projection.logged_events(tx, ids)
    items = [
        difference
        for session_id in ids
        for difference in session_differences(session_id, stored.get(session_id), fold(logged.get(session_id, [])))
    ]
    more = len(ids) == request.limit
    return HistoryVerified(verified=len(ids), items=items, next_cursor=encode_cursor(_LIST, ids[-1]) if more else None)

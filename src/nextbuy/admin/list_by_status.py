"""GET /admin/api/list-by-status: the orders or the payments with one status, newest first."""

from typing import Annotated, Literal

from msgspec import Meta

from nextbuy.admin.deps import Deps
from nextbuy.admin.search_store import IndexedEntry, entries_by_status
from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller


class ListByStatus(PageRequest, frozen=True, kw_only=True):
    """A page of the orders or the payments with one status; it is empty for an unknown status."""

    kind: Literal["order", "payment"]
    status: Annotated[str, Meta(min_length=1, max_length=40, examples=["failed"])]


async def list_by_status(deps: Deps, caller: Caller, request: ListByStatus) -> Page[IndexedEntry]:
    """List orders or payments with one status, newest first; a change appears after a moment."""
    await deps.auth.validate_admin(caller)
    return await entries_by_status(
        deps.database, request.kind, request.status, limit=request.limit, cursor=request.start
    )

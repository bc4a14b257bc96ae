"""GET /admin/api/audit: what operators did in all services, newest first."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from nextbuy.admin.acts_store import OperatorAct, list_acts
from nextbuy.admin.deps import Deps
from nextbuy.contracts.auth import MAX_ACCOUNTS
from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.values import Page, PageRequest, parse_uuid
from nextbuy.kit.http.caller import Caller

FilterText = Annotated[str, Meta(min_length=1, max_length=255)]


class AuditRequest(PageRequest, frozen=True):
    """A page of the audit: by one actor, about one subject, of one action, or all."""

    actor: FilterText | UnsetType = UNSET
    subject: FilterText | UnsetType = UNSET
    action: FilterText | UnsetType = UNSET


async def audit(deps: Deps, caller: Caller, request: AuditRequest) -> Page[OperatorAct]:
    """List what operators did, and why."""
    await deps.auth.validate_admin(caller)
    filters = {"actor": request.actor, "subject": request.subject, "action": request.action}
    given = {name: value for name, value in filters.items() if value is not UNSET}
    page = await list_acts(deps.database, given, limit=request.limit, cursor=request.start)
    names = await _names(deps, page.items)
    return Page([replace(act, actor_name=names.get(act.actor, "")) for act in page.items], page.next_cursor)


async def _names(deps: Deps, acts: Sequence[OperatorAct]) -> dict[str, str]:
    """Return the names of the actors that are accounts; none while auth is unavailable."""
    ids = sorted({account_id for act in acts if (account_id := parse_uuid(act.actor))})[:MAX_ACCOUNTS]
    try:
        return {str(account.id): account.name for account in await deps.auth.get_accounts(ids)} if ids else {}
    except Unavailable:
        return {}

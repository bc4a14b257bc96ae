"""GET /order/api/audit: the actions of admins on stuck work, newest first."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.audit_log import AuditEntry, list_entries
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps


async def audit(deps: Deps, caller: Caller, request: PageRequest) -> Page[AuditEntry]:
    """List retries of stuck work and decisions to give it up, newest first."""
    await deps.auth.validate_user(caller)
    return await list_entries(deps.database, "order", request.limit, request.start)

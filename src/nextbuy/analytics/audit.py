"""GET /analytics/api/audit: the requests to rebuild projections, newest first."""

from nextbuy.analytics.deps import Deps
from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.audit_log import AuditEntry, list_entries
from nextbuy.kit.http.caller import Caller


async def audit(deps: Deps, caller: Caller, request: PageRequest) -> Page[AuditEntry]:
    """List the rebuilds that operators requested, newest first."""
    await deps.auth.validate_admin(caller)
    return await list_entries(deps.database, "analytics", request.limit, request.start)

"""GET /simulator/api/audit: the actions of admins on stuck webhooks, newest first."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.audit_log import AuditEntry, list_entries
from nextbuy.kit.http.caller import Caller
from nextbuy.simulator.deps import Deps


async def audit(deps: Deps, caller: Caller, request: PageRequest) -> Page[AuditEntry]:
    """List retries of stuck webhooks and decisions to give them up, newest first."""
    await deps.auth.validate_admin(caller)
    return await list_entries(deps.database, "simulator", request.limit, request.start)

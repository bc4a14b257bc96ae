"""GET /notification/api/audit: the actions of admins on stuck mails, newest first."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.audit_log import AuditEntry, list_entries
from nextbuy.kit.http.caller import Caller
from nextbuy.notification.deps import Deps


async def audit(deps: Deps, caller: Caller, request: PageRequest) -> Page[AuditEntry]:
    """List retries of stuck mails and decisions to give them up, newest first."""
    await deps.auth.validate_admin(caller)
    return await list_entries(deps.database, "notification", request.limit, request.start)

"""GET /kafka/api/audit: the audit log of operators, newest first."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kafka.deps import Deps
from nextbuy.kit.audit_log import AuditEntry, list_entries
from nextbuy.kit.http.caller import Caller


async def audit(deps: Deps, caller: Caller, request: PageRequest) -> Page[AuditEntry]:
    """List operations of operators, newest first."""
    await deps.auth.validate_admin(caller)
    return await list_entries(deps.database, "kafka", request.limit, request.start)

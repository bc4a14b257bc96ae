"""GET /kafka/api/comparison-findings: what the comparison of event logs with inboxes has found, newest first."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kafka.comparison.store import StoredFinding, list_findings
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


async def comparison_findings(deps: Deps, caller: Caller, request: PageRequest) -> Page[StoredFinding]:
    """List events that were lost on the way to a service and delivered again, newest first."""
    await deps.auth.validate_admin(caller.token)
    return await list_findings(deps.database, request.limit, request.start)

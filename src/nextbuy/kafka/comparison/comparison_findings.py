"""GET /kafka/api/comparison-findings: events and dead letters found missing, and restored event logs, newest first."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kafka.comparison.store import StoredFinding, list_findings
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


async def comparison_findings(deps: Deps, caller: Caller, request: PageRequest) -> Page[StoredFinding]:
    """List what the comparison of event logs with inboxes has found and repaired, newest first."""
    await deps.auth.validate_admin(caller)
    return await list_findings(deps.database, request.limit, request.start)

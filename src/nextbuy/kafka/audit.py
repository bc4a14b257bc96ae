"""GET /kafka/api/audit: what operators did, the latest first."""

from msgspec import UNSET

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kafka.audit_log import Entry, entries
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


async def audit(deps: Deps, caller: Caller, request: PageRequest) -> Page[Entry]:
    """Return a page of the audit."""
    await deps.auth.validate_admin(caller.token)
    return await entries(deps.database, request.limit, None if request.cursor is UNSET else request.cursor)

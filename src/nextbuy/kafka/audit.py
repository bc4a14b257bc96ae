"""GET /kafka/api/audit: what operators did, the latest first."""

from msgspec import UNSET

from nextbuy.contracts.values import Page, PageAsk
from nextbuy.kafka.audit_log import Entry, entries
from nextbuy.kafka.deps import Deps
from nextbuy.kit.web import Caller


async def audit(kafka: Deps, caller: Caller, ask: PageAsk) -> Page[Entry]:
    """Return a page of the audit."""
    await kafka.auth.validate_admin(caller.token)
    return await entries(kafka.database, ask.limit, None if ask.cursor is UNSET else ask.cursor)

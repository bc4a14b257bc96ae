"""GET /kafka/api/mails: mails without their texts, the latest first."""

from msgspec import UNSET, Struct, UnsetType

from nextbuy.contracts.values import Cursor, Limit, Page
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import Mail, MailStatus
from nextbuy.kafka.store.mails import page
from nextbuy.kit.http.caller import Caller


class Mails(Struct, frozen=True):
    """Which part of the list; of every status where none is named."""

    status: MailStatus | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


async def mails(deps: Deps, caller: Caller, request: Mails) -> Page[Mail]:
    """Return a page of mails."""
    await deps.auth.validate_admin(caller.token)
    status = None if request.status is UNSET else request.status
    cursor = None if request.cursor is UNSET else request.cursor
    return await page(deps.database, status, limit=request.limit, cursor=cursor)

"""GET /kafka/api/mails: mails without their texts, the latest first."""

from msgspec import UNSET, Struct, UnsetType

from nextbuy.contracts.values import Cursor, Limit, Page
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import Mail, MailStatus
from nextbuy.kafka.store.mails import page
from nextbuy.kit.web import Caller


class Mails(Struct, frozen=True):
    """Which part of the list; of every status where none is named."""

    status: MailStatus | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


async def mails(kafka: Deps, caller: Caller, ask: Mails) -> Page[Mail]:
    """Return a page of mails."""
    await kafka.auth.validate_admin(caller.token)
    status = None if ask.status is UNSET else ask.status
    cursor = None if ask.cursor is UNSET else ask.cursor
    return await page(kafka.database, status, limit=ask.limit, cursor=cursor)

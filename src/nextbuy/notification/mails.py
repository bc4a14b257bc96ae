"""GET /notification/api/mails: mails without their bodies, newest first."""

from msgspec import UNSET, UnsetType

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.notification.deps import Deps
from nextbuy.notification.model import Mail, MailStatus
from nextbuy.notification.recipients import add_recipients
from nextbuy.notification.store.mails import list_mails


class ListMails(PageRequest, frozen=True):
    """A status, any by default, and a page of the list."""

    status: MailStatus | UnsetType = UNSET


async def mails(deps: Deps, caller: Caller, request: ListMails) -> Page[Mail]:
    """List mails, newest first."""
    await deps.auth.validate_admin(caller)
    status = None if request.status is UNSET else request.status
    page = await list_mails(deps.database, status, limit=request.limit, cursor=request.start)
    return Page(await add_recipients(deps.auth, page.items), page.next_cursor)

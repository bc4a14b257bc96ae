"""GET /notification/api/mails/{mail_id}: one mail with its body."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.kit.http.caller import Caller
from nextbuy.notification.deps import Deps
from nextbuy.notification.model import MailWithBody
from nextbuy.notification.recipients import add_recipients
from nextbuy.notification.store.mails import get_mail

MailNotFound: Final = NotFound.of("mail-not-found", "E-mail not found. E-mails are deleted after 90 days.")


class MailRef(Struct, frozen=True):
    """The id of a mail."""

    mail_id: UUID


async def mail(deps: Deps, caller: Caller, request: MailRef) -> MailWithBody:
    """Show a mail with its body.

    Raises:
        NotFound: it does not exist, or was purged (`mail-not-found`).
    """
    await deps.auth.validate_admin(caller)
    stored = await get_mail(deps.database, request.mail_id)
    if stored is None:
        raise MailNotFound
    return (await add_recipients(deps.auth, [stored]))[0]

"""GET /kafka/api/mails/{mail_id}: one mail with its body."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import MailWithBody
from nextbuy.kafka.store.mails import get_mail
from nextbuy.kit.http.caller import Caller

MailNotFound: Final = NotFound.of("mail-not-found", "Mail not found. Mails are deleted after 90 days.")


class MailRef(Struct, frozen=True):
    """The id of a mail."""

    mail_id: UUID


async def mail(deps: Deps, caller: Caller, request: MailRef) -> MailWithBody:
    """Show a mail with its body.

    Raises:
        NotFound: it does not exist, or was purged (`mail-not-found`).
    """
    await deps.auth.validate_admin(caller.token)
    stored = await get_mail(deps.database, request.mail_id)
    if stored is None:
        raise MailNotFound
    return stored

"""GET /kafka/api/mails/{mail_id}: one mail, whole."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import WholeMail
from nextbuy.kafka.store.mails import whole
from nextbuy.kit.http.caller import Caller


class OfMail(Struct, frozen=True):
    """Which mail."""

    mail_id: UUID


async def mail(deps: Deps, caller: Caller, request: OfMail) -> WholeMail:
    """Return a mail with its text; `NotFound` where there is none, or it is over ninety days old."""
    await deps.auth.validate_admin(caller.token)
    found = await whole(deps.database, request.mail_id)
    if found is None:
        raise NotFound("There is no such mail.", slug="no-such-mail")
    return found

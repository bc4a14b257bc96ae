"""`/mails`: e-mails to buyers and sellers with the results of sending them; `/mails/{id}`: one with its text."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Page, parse_uuid
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.visit import View, Visit

_STATUSES: Final = frozenset({"waiting", "sent", "stored", "failed", "superseded"})
_LIMIT: Final = 20


class Mail(Struct):
    """A mail and the result of sending it; `recipient` is empty before the first attempt."""

    id: UUID
    kind: str
    recipient: str
    subject: str
    status: str
    reason: str
    attempts: int
    created_at: datetime


class MailWithBody(Mail):
    """A mail with its text."""

    body: str


class MailsView(View):
    """The content of the list of mails."""

    mails: Page[Mail]
    status: str
    first: bool


class MailView(View):
    """The content of the page of a mail."""

    mail: MailWithBody


async def mails(visit: Visit) -> Response:
    """Show the mails, newest first."""
    await require_admin(visit)
    query = visit.request.query_params
    status, cursor = query.get("status", ""), query.get("cursor", "")
    if status not in _STATUSES:
        status = ""
    listed = await visit.api.get("/notification/api/mails", Page[Mail], limit=_LIMIT, status=status, cursor=cursor)
    return await visit.page("mails", MailsView(listed, status, not cursor))


async def mail(visit: Visit) -> Response:
    """Show a mail."""
    await require_admin(visit)
    mail_id = parse_uuid(visit.request.path_params["mail_id"])
    if mail_id is None:
        raise NotFound
    return await visit.page("mail", MailView(await visit.api.get(f"/notification/api/mails/{mail_id}", MailWithBody)))

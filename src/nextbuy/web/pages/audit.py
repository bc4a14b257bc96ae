"""`/admin/audit`: what admins did, to what and why, by admin and by subject."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.values import Page
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.visit import View, Visit

PATH: Final = "/admin/audit"
_LIMIT: Final = 50
_MAX_FILTER: Final = 255
_PAGES: Final = {"account": "/admin/person/{}", "seller": "/admin/person/{}", "product": "/product/{}"}
"""The page of a subject, by the last word of the action."""


class Act(Struct):
    """An act of an admin, in the browser or at a terminal."""

    id: UUID
    at: datetime
    service: str
    actor: str
    actor_name: str
    action: str
    subject: str
    before: str
    after: str
    reason: str
    details: dict[str, str]

    @property
    def link(self) -> str:
        """The page of the subject, or its trace."""
        pattern = _PAGES.get(self.action.rpartition("-")[2], "/trace?id={}")
        return pattern.format(self.subject)


class AuditView(View):
    """The content of the audit: one page of acts."""

    acts: list[Act]
    actor: str
    subject: str
    first_page: str
    next_page: str
    first: bool


async def audit(visit: Visit) -> Response:
    """Show what admins did, newest first."""
    await require_admin(visit)
    query = visit.request.query_params
    filters = {name: query.get(name, "").strip()[:_MAX_FILTER] for name in ("actor", "subject")}
    cursor = query.get("cursor", "")
    page = await visit.api.get("/admin/api/audit", Page[Act], limit=_LIMIT, cursor=cursor, **filters)
    given = {name: value for name, value in filters.items() if value}
    view = AuditView(
        page.items,
        filters["actor"],
        filters["subject"],
        _url(given),
        _url({**given, "cursor": page.next_cursor}) if page.next_cursor else "",
        not cursor,
    )
    return await visit.page("audit", view)


def _url(query: dict[str, str]) -> str:
    return f"{PATH}?{urlencode(query)}" if query else PATH

"""`/notifications`: the notifications of the signed-in account, newest first."""

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import Notification, Page, Role
from nextbuy.web.api import Ignored
from nextbuy.web.visit import View, Visit, local_path

_HERE = "/notifications"


class NotificationsView(View):
    """The content of the list of notifications."""

    notifications: Page[Notification]
    first: bool


class _ReadOne(Struct):
    link: str = ""


async def notifications(visit: Visit) -> Response:
    """Show the notifications."""
    account = await visit.require_account()
    cursor = visit.request.query_params.get("cursor", "")
    listed = await visit.api.get(f"{_api(account)}/notifications", Page[Notification], limit=20, cursor=cursor)
    return await visit.page("notifications", NotificationsView(listed, not cursor))


async def open_notification(visit: Visit) -> Response:
    """Mark a notification as read, and redirect to the page of its link if that was followed."""
    account = await visit.require_account()
    form = await visit.form()
    path = f"{_api(account)}/read-notification/{form.get('id', '')}"
    read = await visit.api.send("POST", path, {}, _ReadOne)
    return visit.redirect(local_path(read.link, _HERE) if "follow" in form else _HERE)


async def read_all_notifications(visit: Visit) -> Response:
    """Mark all notifications as read."""
    account = await visit.require_account()
    await visit.api.send("POST", f"{_api(account)}/read-all-notifications", {}, Ignored)
    return visit.redirect(_HERE)


def _api(account: Account) -> str:
    return "/admin/api" if account.role is Role.ADMIN else "/notification/api"

"""`/forgot-password`, `/reset-password` and `/confirm-email`: the pages behind the links in e-mails about an account.

The token of a link is in the query, since the pages work without script. A page with a token sends no Referer and is
never logged with its query; opening it changes nothing, because programs that scan e-mails open links too.
"""

from msgspec import Struct, field
from starlette.responses import Response

from nextbuy.contracts.errors import AppError
from nextbuy.web.api import Ignored
from nextbuy.web.forms import Failure, failure_of, form_key
from nextbuy.web.visit import View, Visit


class LinkView(View):
    """The content of these pages; `done` is whether the form was accepted, `next` the page to go to after a sign-in."""

    token: str = ""
    email: str = ""
    next: str = ""
    done: bool = False
    failure: Failure = field(default_factory=Failure)


class _Sent(Struct):
    """The fields of a form as the API takes them."""

    path: str
    body: dict[str, str]
    key: str = ""


async def forgot_password(visit: Visit) -> Response:
    """Show the form that requests a link for a new password."""
    return await visit.page("forgot_password", LinkView(next=visit.next_path))


async def request_password(visit: Visit) -> Response:
    """Request a link for a new password; the answer is the same for every e-mail address."""
    email = (await visit.form()).get("email", "").strip()
    sent = _Sent("/auth/api/request-password-reset", {"email": email})
    return await _answer(visit, "forgot_password", sent, LinkView(email=email, next=visit.next_path))


async def reset_password(visit: Visit) -> Response:
    """Show the form for a new password."""
    return await _page(visit, "reset_password", LinkView(_token(visit)))


async def set_password(visit: Visit) -> Response:
    """Set a new password by the token of a link."""
    form = await visit.form()
    token = form.get("token", "")
    body = {"token": token, "password": form.get("password", "")}
    sent = _Sent("/auth/api/reset-password", body, form_key(form))
    return await _answer(visit, "reset_password", sent, LinkView(token))


async def confirm_email(visit: Visit) -> Response:
    """Show the button that confirms an e-mail address."""
    return await _page(visit, "confirm_email", LinkView(_token(visit)))


async def accept_email(visit: Visit) -> Response:
    """Confirm an e-mail address by the token of a link."""
    form = await visit.form()
    token = form.get("token", "")
    sent = _Sent("/auth/api/confirm-email", {"token": token}, form_key(form))
    return await _answer(visit, "confirm_email", sent, LinkView(token))


async def _answer(visit: Visit, name: str, sent: _Sent, view: LinkView) -> Response:
    try:
        await visit.api.send("POST", sent.path, sent.body, Ignored, key=sent.key)
    except AppError as error:
        view.failure = failure_of(error, name, {})
        return await _page(visit, name, view, status=error.status)
    view.done = True
    return await _page(visit, name, view)


async def _page(visit: Visit, name: str, view: LinkView, *, status: int = 200) -> Response:
    response = await visit.page(name, view, status=status)
    response.headers["referrer-policy"] = "no-referrer"
    return response


def _token(visit: Visit) -> str:
    return visit.request.query_params.get("token", "")[:200]

"""`/sign-in`: sign in, or open an account; `next` is the page to go to afterwards."""

from typing import Final

from msgspec.structs import replace
from starlette.responses import Response

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import Role
from nextbuy.web.api import Ignored
from nextbuy.web.demo_logins import DEMO_LOGINS, DemoLogin
from nextbuy.web.forms import Failure, failure_of, form_key
from nextbuy.web.visit import View, Visit, local_path, sign_in_path, with_next

_HOMES: Final = {Role.BUYER: "/", Role.SELLER: "/sell", Role.ADMIN: "/admin"}


class SignInView(View):
    """The content of the sign-in page; `cookies_blocked` if the browser has not kept the session that it was given."""

    next: str
    forgot_password_path: str
    role: str
    demo_logins: tuple[DemoLogin, ...]
    failure: Failure
    cookies_blocked: bool = False


async def sign_in(visit: Visit) -> Response:
    """Show the forms; after a sign-in (`done`), redirect to the next page if the browser has kept the cookies."""
    query = visit.request.query_params
    view = _view(visit, local_path(query.get("next", ""), ""), query.get("as", ""))
    if "done" in query:
        account = await visit.account()
        if account is not None:
            return visit.redirect(view.next or _HOMES[account.role])
        view = replace(view, cookies_blocked=True)
    return await visit.page("sign_in", view)


async def enter(visit: Visit) -> Response:
    """Sign in with e-mail address and password."""
    form = await visit.form()
    login = {"email": form.get("email", "").strip(), "password": form.get("password", "")}
    return await _enter(visit, "sign-in", "/auth/api/login", login, form)


async def sign_up(visit: Visit) -> Response:
    """Open an account, and sign in."""
    form = await visit.form()
    account = {name: form.get(name, "").strip() for name in ("name", "email", "role")}
    account["password"] = form.get("password", "")
    return await _enter(visit, "sign-up", "/auth/api/register", account, form)


async def sign_out(visit: Visit) -> Response:
    """End the session, and leave nothing of this person in the browser."""
    if await visit.account() is not None:
        await visit.api.send("POST", "/auth/api/logout", {}, Ignored)
    visit.api.cookies.leave_browser()
    response = visit.redirect("/")
    # Otherwise Back shows the pages of this person to the next one.
    response.headers["clear-site-data"] = '"cache"'
    return response


async def _enter(visit: Visit, name: str, path: str, body: dict[str, str], form: dict[str, str]) -> Response:
    next_path = local_path(form.get("next", ""), "")
    try:
        await visit.api.send("POST", path, body, Ignored, key=form_key(form))
    except AppError as error:
        failure = failure_of(error, name, {**body, "password": ""})
        view = _view(visit, next_path, form.get("role", ""), failure)
        return await visit.page("sign_in", view, status=error.status)
    return visit.redirect(sign_in_path(next_path, done="yes"))


def _view(visit: Visit, next_path: str, role: str, failure: Failure | None = None) -> SignInView:
    return SignInView(
        next_path,
        with_next("/forgot-password", next_path),
        role if role in {"buyer", "seller"} else "buyer",
        DEMO_LOGINS if visit.site.demo else (),
        failure or Failure(),
    )

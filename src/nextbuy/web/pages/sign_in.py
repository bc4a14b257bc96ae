"""`/sign-in`: sign in, or open an account; `next` is the page to go to afterwards."""

from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import Role
from nextbuy.web.api import Ignored
from nextbuy.web.demo_logins import DEMO_LOGINS, DemoLogin
from nextbuy.web.forms import Failure, failure_of
from nextbuy.web.visit import View, Visit, local_path

_HOMES: Final = {Role.BUYER: "/", Role.SELLER: "/sell", Role.ADMIN: "/admin"}


class SignInView(View):
    """The content of the sign-in page."""

    next: str
    role: str
    demo_logins: tuple[DemoLogin, ...]
    failure: Failure


class _Entered(Struct):
    user: Account


async def sign_in(visit: Visit) -> Response:
    """Show the forms."""
    query = visit.request.query_params
    return await visit.page("sign_in", _view(visit, query.get("next", ""), query.get("as", "")))


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
    """End the session."""
    if visit.api.has_session:
        await visit.api.send("POST", "/auth/api/logout", {}, Ignored)
        visit.api.cookies.end_session()
    return visit.redirect("/")


async def _enter(visit: Visit, name: str, path: str, body: dict[str, str], form: dict[str, str]) -> Response:
    wanted = form.get("next", "")
    try:
        account = (await visit.api.send("POST", path, body, _Entered)).user
    except AppError as error:
        failure = failure_of(error, name, {**body, "password": ""})
        view = _view(visit, wanted, form.get("role", ""), failure)
        return await visit.page("sign_in", view, status=error.status)
    home = _HOMES[account.role]
    return visit.redirect(local_path(wanted, home) if wanted else home)


def _view(visit: Visit, wanted: str, role: str, failure: Failure | None = None) -> SignInView:
    return SignInView(
        local_path(wanted, ""),
        role if role in {"buyer", "seller"} else "buyer",
        DEMO_LOGINS if visit.site.demo else (),
        failure or Failure(),
    )

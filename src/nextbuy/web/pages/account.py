"""`/account`: name, e-mail address, password, saved postal addresses, and login sessions of the visitor."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, Unprocessable
from nextbuy.contracts.values import Page
from nextbuy.web.api import Ignored, secondary
from nextbuy.web.forms import Failure, failure_of, form_key, hidden_id
from nextbuy.web.pages.addresses import FIELDS, SavedAddress, missing_fields, saved_addresses
from nextbuy.web.visit import View, Visit

_SECRET: Final = frozenset({"password", "current_password"})


class LoginSession(Struct):
    """A login session: a browser or a program that is signed in."""

    id: UUID
    device: str
    network: str
    used_at: datetime
    current: bool


class AccountView(View):
    """The content of the account page; sessions and addresses may be unavailable."""

    user: Account
    sessions: list[LoginSession] | None
    addresses: list[SavedAddress] | None
    done: str
    failure: Failure


class _Act(Struct):
    """The request of a form, and the fields of its body."""

    method: str
    path: str
    fields: tuple[str, ...] = ()


_ACTS: Final = {
    "name": _Act("PUT", "/auth/api/me", ("name",)),
    "password": _Act("POST", "/auth/api/change-password", ("current_password", "password")),
    "email": _Act("POST", "/auth/api/change-email", ("current_password", "email")),
    "confirm": _Act("POST", "/auth/api/send-confirmation"),
    "address": _Act("POST", "/auth/api/addresses", FIELDS),
    "delete-address": _Act("DELETE", "/auth/api/addresses/{id}"),
    "end-session": _Act("DELETE", "/auth/api/sessions/{id}"),
}


async def account(visit: Visit) -> Response:
    """Show the account."""
    done = visit.request.query_params.get("done", "")
    return await _page(visit, Failure(), done=done if done in _ACTS else "")


async def _change(name: str, visit: Visit) -> Response:
    """Send the request of a form, and return to the page."""
    user = await visit.require_account()
    if name == "confirm" and user.email_confirmed:
        # It was confirmed in another tab; no link is sent.
        return visit.redirect("/account#email")
    act, form = _ACTS[name], await visit.form()
    body = {field: form.get(field, "") for field in act.fields}
    body = {field: text if field in _SECRET else text.strip() for field, text in body.items()}
    missing = missing_fields(body) if act.fields == FIELDS else {}
    if missing:
        return await _page(visit, Failure(name, body, errors=missing), status=Unprocessable.status)
    try:
        path = act.path.format(id=hidden_id(form))
        await visit.api.send(act.method, path, body, Ignored, key=form_key(form))
    except AppError as error:
        failure = failure_of(error, name, {field: text for field, text in body.items() if field not in _SECRET})
        return await _page(visit, failure, status=error.status)
    return visit.redirect(f"/account?done={name}#{name}")


CHANGES: Final = {f"/account/{name}": partial(_change, name) for name in _ACTS}
"""The forms of the page, by the path that each posts to."""


async def _page(visit: Visit, failure: Failure, *, done: str = "", status: int = 200) -> Response:
    user = await visit.require_account()
    sessions, addresses = await asyncio.gather(
        secondary(visit.api.get("/auth/api/sessions", Page[LoginSession])),
        saved_addresses(visit),
    )
    view = AccountView(
        user,
        sessions.items if sessions is not None else None,
        addresses,
        done,
        failure,
    )
    return await visit.page("account", view, status=status)

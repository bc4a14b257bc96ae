"""`/admin/person/{id}`: a person's account, orders and payments, and the decisions about them, for admins."""

from datetime import datetime
from functools import partial
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.auth import FoundAccount
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.order import reason_text
from nextbuy.web.api import Ignored
from nextbuy.web.forms import Failure, failure_of, form_key, hidden_id
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.visit import View, Visit

PATH: Final = "/admin/person"
_ACTS: Final = ("suspend-account", "reinstate-account", "suspend-seller", "reinstate-seller")


class Entry(Struct):
    """An order, a payment or a shop of the person."""

    id: str
    title: str
    status: str
    reason: str
    at: datetime


class PersonView(View):
    """The content of a person's page."""

    person: FoundAccount
    orders: list[Entry]
    payments: list[Entry]
    shop: Entry | None
    done: str
    failure: Failure
    own: bool


class _Details(Struct):
    person: FoundAccount
    orders: list[Entry]
    payments: list[Entry]
    shop: Entry | None


async def person(visit: Visit) -> Response:
    """Show a person."""
    done = visit.request.query_params.get("done", "")
    return await _page(visit, str(visit.request.path_params["user_id"]), done=done if done in _ACTS else "")


async def _act(name: str, visit: Visit) -> Response:
    """Send a decision about an account or a shop, and return to the person."""
    await require_admin(visit)
    form = await visit.form()
    user_id, typed = hidden_id(form), {"id": form.get("id", ""), "reason": form.get("reason", "").strip()}
    try:
        path = f"/admin/api/{name}/{user_id}"
        await visit.api.send("POST", path, {"reason": typed["reason"]}, Ignored, key=form_key(form))
    except AppError as error:
        return await _page(visit, user_id, failure=failure_of(error, name, typed), status=error.status)
    return visit.redirect(f"{PATH}/{user_id}?done={name}")


PERSON_ACTS: Final = {f"{PATH}/{name}": partial(_act, name) for name in _ACTS}
"""The forms of the page, by the path that each posts to."""


async def _page(
    visit: Visit, user_id: str, *, done: str = "", failure: Failure | None = None, status: int = 200
) -> Response:
    admin = await require_admin(visit)
    found = await visit.api.get(f"/admin/api/person/{user_id}", _Details)
    for payment in found.payments:
        payment.reason = reason_text(payment.reason)
    view = PersonView(
        found.person,
        found.orders,
        found.payments,
        found.shop,
        done,
        failure or Failure(),
        found.person.id == admin.id,
    )
    return await visit.page("person", view, status=status)

"""POST /simulator/api/pay/{payment_id}: a person, or a program in a person's place, pays with a test card.

A payment is decided once: whoever pays again is told what came of it. The outcome and the webhook that tells the shop
are one statement.
"""

import secrets
from typing import Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError, Unprocessable, WrongMediaType
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response, encode
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.hosted_page import page
from nextbuy.simulator.model import Outcome, Payment, final, known_id, no_such_payment, outcome_of, told

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 10


class Card(Struct, frozen=True):
    """What is paid with."""

    card_number: str


class Paid(Struct, frozen=True):
    """What came of it."""

    status: Outcome
    payment_id: str


async def pay(deps: Deps, caller: Caller, request: Request) -> Response:  # noqa: ARG001
    """Pay; a form is answered with a page, JSON with JSON.

    Raises:
        NotFound: there is no such payment.
        Unprocessable: this is no test card.
        Conflict: it is too late.
    """
    home = f"{deps.settings.public_url}/"
    from_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    payment, card = None, ""
    try:
        payment = await store.payment(deps.database, known_id(request.path.rpartition("/")[2]))
        if payment is None:
            raise no_such_payment()
        card = _form_card(request.body) if from_form else _json_card(request)
        outcome = await _decide(deps, payment, card)
    except AppError as error:
        if not from_form or error.transient:
            raise
        status = None if payment is None else payment.status_at(deps.clock())
        return page(payment, status, home=home, code=error.status, error=error.detail, typed=card[:30])
    if from_form:
        return Response(303, headers=[("location", f"{deps.settings.public_url}{request.path}")])
    return Response(200, encode(Paid(outcome, payment.id)))


async def _decide(deps: Deps, payment: Payment, card: str) -> Outcome:
    outcome = outcome_of(card)
    now = deps.clock()
    message = told(payment, outcome, event_id=f"evt_{secrets.token_hex(12)}", at=now)
    if await store.decide(deps.database, payment, outcome, message, now):
        deps.courier.wake()
        return outcome
    decided = await store.payment(deps.database, payment.id)
    return final((decided or payment).status_at(now))


def _form_card(body: bytes) -> str:
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        fields = {}
    return fields.get("card_number", [""])[0]


def _json_card(request: Request) -> str:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongMediaType("Send a form or JSON.")
    try:
        return msgspec.json.decode(request.body, type=Card).card_number
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unprocessable(f'Send {{"card_number": "…"}}: {error}') from None

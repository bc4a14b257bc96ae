"""POST /simulator/api/pay/{payment_id}: a person, or a program in a person's place, pays with a test card.

A payment is decided once: whoever pays again is told what came of it. The outcome and the webhook that tells the shop
are one statement.
"""

import secrets
from typing import Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError, Unreadable, WrongMediaType
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Answer, Request, encode
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


async def pay(simulator: Deps, caller: Caller, request: Request) -> Answer:  # noqa: ARG001
    """Pay; a form is answered with a page, JSON with JSON.

    Raises:
        NotFound: there is no such payment.
        Unreadable: this is no test card.
        Refused: it is too late.
    """
    home = f"{simulator.settings.public_url}/"
    from_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    payment, card = None, ""
    try:
        payment = await store.payment(simulator.database, known_id(request.path.rpartition("/")[2]))
        if payment is None:
            raise no_such_payment()
        card = _form_card(request.body) if from_form else _json_card(request)
        outcome = await _decide(simulator, payment, card)
    except AppError as error:
        if not from_form or error.transient:
            raise
        status = None if payment is None else payment.status_at(simulator.clock())
        return page(payment, status, home=home, code=error.status, error=error.detail, typed=card[:30])
    if from_form:
        return Answer(303, headers=[("location", f"{simulator.settings.public_url}{request.path}")])
    return Answer(200, encode(Paid(outcome, payment.id)))


async def _decide(simulator: Deps, payment: Payment, card: str) -> Outcome:
    outcome = outcome_of(card)
    now = simulator.clock()
    message = told(payment, outcome, event_id=f"evt_{secrets.token_hex(12)}", at=now)
    if await store.decide(simulator.database, payment, outcome, message, now):
        simulator.courier.wake()
        return outcome
    decided = await store.payment(simulator.database, payment.id)
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
        raise Unreadable(f'Send {{"card_number": "…"}}: {error}') from None

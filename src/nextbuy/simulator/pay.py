"""POST /simulator/api/pay/{payment_id}: pay with a test card, from the page's form or as JSON.

A payment is paid once; paying again returns the first outcome. A declined card leaves it open for another. The outcome
and its webhook are one statement.
"""

from typing import Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError, Unprocessable, WrongMediaType
from nextbuy.kit.field_messages import field_error
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.strict_json import DECODE_ERRORS, decode_json
from nextbuy.kit.wire import Request, Response, encode
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.hosted_page import page
from nextbuy.simulator.model import (
    Outcome,
    Payment,
    PaymentNotFound,
    decided_outcome,
    outcome_of,
    parse_payment_id,
    webhook_for,
)

_FORM: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 10


class Card(Struct, frozen=True):
    """The card to pay with."""

    card_number: str


class Paid(Struct, frozen=True):
    """The outcome of a payment."""

    status: Outcome
    payment_id: str


async def pay(deps: Deps, caller: Caller, request: Request) -> Response:
    """Pay with a test card; a form is answered with a page, JSON with JSON.

    Raises:
        NotFound: the payment does not exist (`payment-not-found`).
        Unprocessable: it is not a test card (`not-a-test-card`).
        Conflict: the payment has expired, or was cancelled or refunded (`payment-expired`, `payment-cancelled`,
            `payment-refunded`), or too many cards were declined (`too-many-declines`).
    """
    public_url = deps.settings.public_url
    home = f"{public_url}/"
    from_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    payment, card = None, ""
    try:
        payment = await store.payment(deps.database, parse_payment_id(request.path.rpartition("/")[2]))
        if payment is None:
            raise PaymentNotFound
        card = _form_card(request.body) if from_form else _json_card(request)
        outcome = await _decide(deps, payment, card)
    except AppError as error:
        if not from_form or error.transient:
            raise
        status = None if payment is None else payment.status_at(deps.clock())
        back = caller.link((payment and payment.return_url) or home, public_url)
        return page(payment, status, home=back, code=error.status, error=error.detail, typed=card[:30])
    if from_form:
        return Response(303, headers=[("location", caller.link(f"{public_url}{request.path}", public_url))])
    return Response(200, encode(Paid(outcome, payment.id)))


async def _decide(deps: Deps, payment: Payment, card: str) -> Outcome:
    outcome = outcome_of(card)
    now = deps.clock()
    webhook = webhook_for(payment, outcome, store.new_event_id(), at=now)
    if await store.decide(deps.database, payment, outcome, webhook, now):
        deps.dispatcher.wake()
        return outcome
    decided = await store.payment(deps.database, payment.id)
    return decided_outcome((decided or payment).status_at(now))


def _form_card(body: bytes) -> str:
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        fields = {}
    return fields.get("card_number", [""])[0]


def _json_card(request: Request) -> str:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise WrongMediaType("Unsupported media type. Send a form or JSON.")
    try:
        return msgspec.convert(decode_json(request.body), type=Card).card_number
    except msgspec.ValidationError as error:
        invalid = field_error(error, Card)
        raise Unprocessable(f"{invalid.field}: {invalid.message}", errors=[invalid]) from None
    except DECODE_ERRORS:
        raise Unprocessable('The card cannot be read. Send {"card_number": "4242 4242 4242 4242"}.') from None

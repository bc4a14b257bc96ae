"""Mutated webhooks: broken signatures change nothing, and signed nonsense neither fails nor unbalances the books.

The mutations come from a generator with a fixed seed.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

import pytest

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import new_id
from nextbuy.kit.wire import Request
from nextbuy.order.create_payment_session import PaymentSessionCreated
from nextbuy.order.payment_webhook import payment_webhook
from tests.callers import caller
from tests.order.lost_rows import rows
from tests.order.market import Market
from tests.order.test_verify_history import verified

MUTATIONS: Final = 200
SEEDS: Final = (1, 2, 3)
KINDS: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_failed",
    "payment_intent.payment_failed",
    "checkout.session.expired",
    "charge.refunded",
)
JUNK: Final[tuple[object, ...]] = (
    *(None, True, False, 0, -1, 1, 3000, 2**53, 10**400, 1.5, 1e300, "", "x", "\0", "a\u0301", "\ud800", "x" * 2_000),
    *([], {}, [[]], {"id": 1}, {"id": ""}, {"session_id": "x"}, {"message": ["x"]}, "eur", "USD", "pay_1", "ch_1"),
)
"""Values that replace the value of a field."""


def provider_webhook(market: Market, session: PaymentSessionCreated, dice: Random) -> dict[str, Any]:
    """Return an event of the provider, complete and valid."""
    fields = {
        "amount": 3000,
        "amount_total": 3000,
        "amount_refunded": 3000,
        "refunded": True,
        "payment_intent": market.payment_id(session),
        "metadata": {"session_id": str(session.session_id)},
        "last_payment_error": {"message": "Your card was declined."},
    }
    return market.provider_event(dice.choice(KINDS), session.session_id, **fields)


def mutated_value(value: object, dice: Random) -> object:
    """Return a value with one field, at any depth, replaced, removed, added or doubled."""
    if isinstance(value, dict) and value and dice.random() < 0.8:
        name = dice.choice(sorted(value))
        changed = {**value, name: mutated_value(value[name], dice)}
        if dice.random() < 0.3:
            changed.pop(name)
        return changed
    if isinstance(value, dict) and dice.random() < 0.3:
        return {**value, dice.choice(["id", "x" * 100, "\0"]): dice.choice(JUNK)}
    return dice.choice(JUNK)


def mutated_bytes(body: bytes, dice: Random) -> bytes:
    """Return a body that is cut, or with some bytes changed, inserted or repeated."""
    place, length = dice.randrange(len(body)), dice.randrange(1, 9)
    garbage = dice.choice([dice.randbytes(length), b'"', b"}", b"\\ud83d", b"\xff", b"[" * 2_000, b" " * length])
    return dice.choice(
        [
            body[:place],
            body[:place] + garbage + body[place:],
            body[:place] + garbage + body[place + length :],
            body[:place] + body[place : place + length] * 2 + body[place + length :],
        ]
    )


def mutated_body(event: dict[str, Any], dice: Random) -> bytes:
    """Return the body of an event after one to three mutations."""
    mutated: object = event
    for _ in range(dice.randint(0, 2)):
        mutated = mutated_value(mutated, dice)
    body = json.dumps(mutated).encode()
    return mutated_bytes(body, dice) if mutated == event or dice.random() < 0.2 else body


async def status_of(market: Market, request: Request) -> int:
    """Deliver a webhook and return its status; an error without one fails the test."""
    try:
        return (await payment_webhook(market.deps, caller(None), request)).status
    except AppError as error:
        return error.status


async def stored(market: Market) -> dict[str, Any]:
    """Return all rows that a webhook can change."""
    tables = await rows(market.database)
    return {**tables, "webhooks": await market.database.fetch("SELECT * FROM webhook_events ORDER BY id")}


@pytest.mark.parametrize("seed", SEEDS)
async def test_signed_webhook_that_is_mutated_never_fails_and_its_refusal_changes_nothing(
    market: Market, seed: int
) -> None:
    dice = Random(seed)  # noqa: S311  a test's dice
    product = market.product(market.shop(), stock=10_000)
    session = await market.create_payment_session((product, 3))
    statuses = []
    for number in range(MUTATIONS):
        if number % 10 == 0:
            session = await market.create_payment_session((product, 3))
        body = mutated_body(provider_webhook(market, session, dice), dice)
        before = await stored(market)

        status = await status_of(market, market.signed_body(body))

        assert status in {200, 400}, body
        if status == 400:
            assert await stored(market) == before, body
        statuses.append(status)
    await market.recover()

    assert {200, 400} == set(statuses)
    assert (await verified(market))[1] == []
    assert {row["status"] for row in (await rows(market.database))["sessions"]} <= {
        *("open", "paid", "refunded", "failed", "expired")
    }


def broken_header(header: str, dice: Random) -> str:
    """Return a signature with a digit changed, a part missing, or of another scheme."""
    at, _, signature = header.partition(",v1=")
    place = dice.randrange(len(signature))
    other = f"{signature[:place]}{int(signature[place], 16) ^ dice.randint(1, 15):x}{signature[place + 1 :]}"
    seconds = int(at.removeprefix("t="))
    return dice.choice(
        [
            f"{at},v1={other}",
            f"{at},v1={signature[:place]}",
            f"{at},v0={signature}",
            f"v1={signature}",
            f"{at},{at},v1={signature}",
            f"t={seconds + dice.randint(1, 200)},v1={signature}",
            f"t={seconds - dice.randint(301, 10**6)},v1={signature}",
            "",
            dice.choice(["t=,v1=", "\0", "é" * 2_000, f"t=-{seconds},v1={signature}"]),
        ]
    )


@pytest.mark.parametrize("seed", SEEDS)
async def test_webhook_that_is_mutated_after_it_was_signed_changes_nothing(market: Market, seed: int) -> None:
    dice = Random(seed)  # noqa: S311
    product = market.product(market.shop(), stock=10_000)
    sessions = [await market.create_payment_session((product, 3)) for _ in range(3)]
    before = await stored(market)
    breaks: list[Callable[[Request], None]] = [
        lambda request: setattr(request, "body", mutated_bytes(request.body, dice)),
        lambda request: setattr(
            request, "headers", {"stripe-signature": broken_header(request.headers["stripe-signature"], dice)}
        ),
    ]
    for _ in range(MUTATIONS):
        request = market.signed_request(provider_webhook(market, dice.choice(sessions), dice))
        original = (request.body, dict(request.headers))
        dice.choice(breaks)(request)
        if original != (request.body, dict(request.headers)):
            assert await status_of(market, request) == 400, (request.headers, request.body)

    assert await stored(market) == before
    unknown = market.provider_event("checkout.session.completed", new_id(), amount_total=1)
    assert await status_of(market, market.signed_request(unknown, secret="whsec_other")) == 400
    assert await stored(market) == before

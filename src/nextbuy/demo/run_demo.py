"""Run the five examples of the specification against a marketplace, and prove each arrow by a recorded interaction.

The demo is an ordinary client: it uses the public API and imports nothing of the services.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nextbuy.demo.client import Client, Trace
from nextbuy.demo.diagram import sequence_diagram
from nextbuy.demo.recorded import Interaction, decode_interactions
from nextbuy.demo.screen import Screen
from nextbuy.demo.specification import (
    CREATE_ORDER,
    CREATE_PRODUCT,
    CREATE_SESSION,
    ORDER_VALIDATES_PRODUCT,
    PENDING_PRODUCTS,
    PRODUCT_CREATED,
    PRODUCT_MODERATION,
    USER_CREATES_ORDER,
    Example,
)
from nextbuy.demo.steps import ModerationResult, Purchase, buy, offer_products, open_shops, prepare_accounts
from nextbuy.demo.walkthrough import DemoError, Person, Walkthrough

_RECORD_TIMEOUT: Final = 10.0
"""Seconds after which missing interactions count as not recorded."""
_POLL_INTERVAL: Final = 1.2
"""Seconds. Longer than the interval at which each process has its interactions stored."""
_LOOKUP: Final = "traces/"
"""A part of the name of the demo's own requests, which are about the trace too."""
_NOT_FOUND: Final = 404
"""Nothing of the trace is stored yet."""


@dataclass(frozen=True)
class _Scene:
    """A trace with the actor of each of its requests, and the examples that it proves."""

    trace: Trace
    actors: Mapping[str, str]
    examples: tuple[Example, ...]


async def run_demo(url: str, admin_email: str, admin_password: str) -> int:
    """Run the examples against the marketplace at `url`, show them, and return the exit code."""
    screen = Screen()
    demo = Walkthrough(Client(url), screen)
    try:
        missing = await _run_examples(demo, admin_email, admin_password)
    except DemoError as error:
        screen.failure(str(error))
        return 1
    except (KeyError, TypeError, IndexError) as error:
        screen.failure(f"Unexpected response from {demo.client.url}: {error!r}. Is it a NextBuy marketplace?")
        return 1
    for arrow in missing:
        screen.failure(f"No recorded interaction proves the arrow {arrow}")
    if missing:
        return 1
    screen.success("Every arrow of the specification's five examples has happened.")
    return 0


async def _run_examples(demo: Walkthrough, admin_email: str, admin_password: str) -> list[str]:
    await _require_ready(demo)
    accounts = await prepare_accounts(demo, admin_email, admin_password)
    await open_shops(demo, accounts)
    moderation = await offer_products(demo, accounts)
    purchase = await buy(demo, accounts, moderation.basket)

    missing = []
    for scene in _scenes(moderation, purchase):
        recorded = await _read_interactions(demo, accounts.admin, scene.examples, scene.trace)
        for example in scene.examples:
            _show_example(demo.screen, example, recorded, scene.actors)
            missing += [f"{example.title}, {arrow}" for arrow in example.missing(recorded)]
    return missing


def _scenes(moderation: ModerationResult, purchase: Purchase) -> list[_Scene]:
    return [
        _Scene(
            purchase.trace,
            {CREATE_SESSION: "User", purchase.payment: "User"},
            (
                Example("User creates an order", USER_CREATES_ORDER, is_excerpt=True),
                Example("Order service validates product", ORDER_VALIDATES_PRODUCT, is_excerpt=True),
                Example("Create Order", CREATE_ORDER, purchase.payment),
            ),
        ),
        _Scene(
            moderation.created,
            {CREATE_PRODUCT: "Seller"},
            (Example("Product created notification", PRODUCT_CREATED, is_excerpt=True),),
        ),
        _Scene(
            moderation.trace,
            {CREATE_PRODUCT: "Seller", PENDING_PRODUCTS: "Admin"},
            (Example("Product Moderation", PRODUCT_MODERATION),),
        ),
    ]


def _show_example(screen: Screen, example: Example, recorded: Sequence[Interaction], actors: Mapping[str, str]) -> None:
    drawn = example.drawn(recorded)
    screen.heading(f"{example.title}: recorded interactions")
    screen.mermaid(sequence_diagram(drawn, actors))
    if carriers := sorted({interaction.carrier for interaction in drawn if interaction.carrier}):
        screen.note(f"Events travel over {' and '.join(carriers)}.")
    screen.heading(f"{example.title}: the arrows of the specification and their proof")
    screen.proofs(example.proofs(recorded))


async def _require_ready(demo: Walkthrough) -> None:
    try:
        response = await demo.request(Person("Visitor"), "GET", "/health/ready")
    except DemoError as error:
        raise DemoError(f"{error}. Start the marketplace with `make up`, or name another URL with --url.") from error
    if not response.ok:
        url, status = demo.client.url, response.status
        raise DemoError(f"The marketplace at {url} is not ready (status {status}): {response.reason}")


async def _read_interactions(
    demo: Walkthrough, admin: Person, examples: Sequence[Example], trace: Trace
) -> list[Interaction]:
    """Return the recorded interactions once they are complete and their number is stable, or at the timeout."""
    path = f"/kafka/api/traces/{trace.trace_id}"
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _RECORD_TIMEOUT
    previous_count = -1
    while True:
        response = await demo.request(admin, "GET", path)
        if not response.ok and response.status != _NOT_FOUND:
            message = f"Cannot read recorded interactions: GET {path} returned {response.status}: {response.reason}"
            raise DemoError(message)
        page: Any = response.json
        recorded = decode_interactions(page["items"]) if response.ok else []
        recorded = [interaction for interaction in recorded if _LOOKUP not in interaction.name]
        complete = len(recorded) == previous_count and not any(example.missing(recorded) for example in examples)
        if complete or loop.time() > deadline:
            return recorded
        previous_count = len(recorded)
        await asyncio.sleep(_POLL_INTERVAL)

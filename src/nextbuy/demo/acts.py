"""Acts both examples of the specification against a running marketplace, and proves from its records that it did so.

An ordinary client: it knows the public API and nothing of the services behind it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from nextbuy.demo.client import Client, Trace
from nextbuy.demo.diagram import sequence_diagram
from nextbuy.demo.recorded import Interaction, interactions
from nextbuy.demo.scenes import Bought, Moderated, people, products, purchase, shops
from nextbuy.demo.screen import Screen
from nextbuy.demo.specification import (
    CREATE_ORDER,
    CREATE_PRODUCT,
    CREATE_SESSION,
    PENDING_PRODUCTS,
    PRODUCT_MODERATION,
    Example,
)
from nextbuy.demo.stage import DemoError, Person, Stage

_PATIENCE: Final = 10.0
"""Seconds in which the last of what happened must be recorded."""
_PAUSE: Final = 0.25


async def run(url: str, admin_email: str, admin_password: str) -> int:
    """Act against the marketplace at `url` and show what happened; return the exit code."""
    screen = Screen()
    stage = Stage(Client(url), screen)
    try:
        missing = await _act(stage, admin_email, admin_password)
    except DemoError as error:
        screen.failure(str(error))
        return 1
    except (KeyError, TypeError, IndexError) as error:
        screen.failure(f"An answer of {stage.client.url} was not as the API describes it: {error!r}")
        return 1
    for arrow in missing:
        screen.failure(f"Nothing recorded proves the arrow {arrow}")
    if missing:
        return 1
    screen.success("Every arrow of the specification's two examples has happened.")
    return 0


async def _act(stage: Stage, admin_email: str, admin_password: str) -> list[str]:
    await _answers(stage)
    cast = await people(stage, admin_email, admin_password)
    await shops(stage, cast)
    moderated = await products(stage, cast)
    bought = await purchase(stage, cast, moderated.goods)
    missing = []
    for example, trace, actors in _examples(moderated, bought):
        recorded = await _recorded(stage, cast.admin, example, trace)
        stage.screen.heading(f"{example.title}: what really happened")
        stage.screen.mermaid(sequence_diagram(recorded, actors))
        stage.screen.heading(f"{example.title}: each arrow of the specification, and what proves it")
        stage.screen.proofs(example.proven(recorded))
        missing += [f"{example.title}, {arrow}" for arrow in example.missing(recorded)]
    return missing


def _examples(moderated: Moderated, bought: Bought) -> list[tuple[Example, Trace, Mapping[str, str]]]:
    """Return each example with its trace, and as whom its requests were made."""
    order = Example("Create Order", CREATE_ORDER, bought.payment)
    moderation = Example("Product Moderation", PRODUCT_MODERATION)
    return [
        (order, bought.trace, {CREATE_SESSION: "User", bought.payment: "User"}),
        (moderation, moderated.trace, {CREATE_PRODUCT: "Seller", PENDING_PRODUCTS: "Admin"}),
    ]


async def _answers(stage: Stage) -> None:
    try:
        answer = await stage.ask(Person("Visitor"), "GET", "/health/ready")
    except DemoError as error:
        message = f"{error}. Start the marketplace with `make up`, or say with --url where it is."
        raise DemoError(message) from error
    if not answer.good:
        message = f"The marketplace at {stage.client.url} is not ready ({answer.status}): {answer.why}"
        raise DemoError(message)


async def _recorded(stage: Stage, admin: Person, example: Example, trace: Trace) -> list[Interaction]:
    """Read what was recorded, until it proves every arrow and grows no more, or patience is at its end."""
    path = f"/kafka/api/interactions/{trace.trace_id}"
    loop = asyncio.get_running_loop()
    ends = loop.time() + _PATIENCE
    before = -1
    while True:
        answer = await stage.ask(admin, "GET", path)
        said: Any = answer.said
        if not answer.good:
            message = f"What was recorded cannot be read: GET {path} was answered with {answer.status}: {answer.why}"
            raise DemoError(message)
        recorded = interactions(said["items"])
        settled = len(recorded) == before and not example.missing(recorded)
        if settled or loop.time() > ends:
            return recorded
        before = len(recorded)
        await asyncio.sleep(_PAUSE)

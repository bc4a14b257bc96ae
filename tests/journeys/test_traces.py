"""The story of an order, from any of its ids, over all processes."""

import asyncio
import subprocess
from functools import partial
from typing import Any

import pytest

from tests.journeys.journey_client import BAD_CARD, JourneyClient, Json, Person
from tests.journeys.marketplace import StartMarketplace, Topology, environment, nextbuy
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
PURCHASE = {
    ("request", "gateway", "POST /order/api/create-payment-session"),
    ("forward", "gateway", "POST /order/api/create-payment-session"),
    ("serve", "order", "POST create-payment-session"),
    ("call", "order", "validate-user"),
    ("serve", "auth", "validate-user"),
    ("call", "order", "hold-stock"),
    ("serve", "product", "hold-stock"),
    ("serve", "simulator", "open-payment"),
    ("publish", "order", "payment-session.created"),
    ("serve", "simulator", "POST pay/{payment_id}"),
    ("webhook", "simulator", "checkout.session.completed"),
    ("serve", "order", "POST payment-webhook"),
    ("step", "order", "create-orders"),
    ("publish", "order", "order.created"),
    ("publish", "order", "order.paid"),
    ("consume", "admin", "order.created"),
    ("consume", "product", "order.created"),
    ("consume", "notification", "order.created"),
    ("consume", "analytics", "order.paid"),
}
"""Kind, service and name of interactions that every purchase has."""


async def story(client: JourneyClient, admin: Person, id_text: str) -> list[Json]:
    response = await client.request("GET", f"/kafka/api/traces/{id_text}", who=admin)
    return list(response.json["items"]) if response.status == 200 else []


def parts(items: list[Json]) -> set[tuple[str, str, str]]:
    return {(item["kind"], item["service"], item["name"]) for item in items}


async def whole_story(client: JourneyClient, admin: Person, id_text: str, expected: set[Any]) -> list[Json]:
    """Return the story of an id once everything expected is stored."""
    found: list[Json] = []

    async def is_complete() -> bool:
        await asyncio.sleep(0.2)
        found[:] = await story(client, admin, id_text)
        return expected <= parts(found)

    try:
        await until(is_complete)
    except AssertionError:
        assert expected - parts(found) == set()
    return found


def run_trace(client: JourneyClient, id_text: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        nextbuy("trace", id_text, "--data", str(client.market.data)),
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_story_of_a_purchase_is_found_from_each_of_its_ids(client: JourneyClient) -> None:
    admin, buyer = await client.admin(), await client.new_buyer()
    product = await client.new_product()
    session = await client.open_session(buyer, [(product, 1)], {"X-Request-ID": "journey-of-a-purchase"})
    await client.pay(session)
    await client.wait_for_status("paid", buyer, session)
    [order] = (await client.get("/order/api/user-orders", buyer))["items"]

    items = await whole_story(client, admin, order["number"], PURCHASE)

    ids = {
        kind: {some for item in items for some in item["ids"].get(kind, ())} for kind in ("session", "payment", "event")
    }
    assert ids["session"] == {session["session_id"]}
    [payment_id] = ids["payment"]
    requests = {item["trace_id"] for item in items if item["kind"] == "request" and item["name"].startswith("POST")}
    assert len(requests) == 2, "the payment is a request with a trace of its own"
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)
    consumed = [item for item in items if item["kind"] == "consume"]
    assert {item["subscription"] for item in consumed} >= {"create-notification", "notify-accounts", "count-activity"}
    others = [order["id"], session["session_id"], payment_id, *ids["event"], *requests, "journey-of-a-purchase"]

    async def agrees(id_text: str) -> bool:
        return parts(await story(client, admin, id_text)) == parts(await story(client, admin, order["number"]))

    for id_text in others:
        await until(partial(agrees, id_text), f"the story of {id_text} is that of its order")

    printed = await asyncio.to_thread(run_trace, client, order["number"].lower())
    assert printed.returncode == 0, printed.stderr
    assert f"Number:   {order['number']}" in printed.stdout
    assert "Failures: none" in printed.stdout
    assert "order → product" in printed.stdout
    assert printed.stdout.startswith("State:    paid, 1 order\n")
    assert "Missing:" not in printed.stdout


async def test_story_of_a_product_has_no_purchase(client: JourneyClient) -> None:
    admin, buyer = await client.admin(), await client.new_buyer()
    product = await client.new_product()
    session = await client.open_session(buyer, [(product, 1)])
    await client.pay(session)
    await client.wait_for_status("paid", buyer, session)
    own = {
        ("request", "gateway", "POST /product/api/create-product"),
        ("serve", "product", "POST create-product"),
        ("publish", "product", "product.created"),
        ("serve", "product", "hold-stock"),
    }

    items = await whole_story(client, admin, product["id"], own)

    assert [item for item in items if item["name"] in {"order.created", "open-payment", "validate-user"}] == []
    [order] = (await client.get("/order/api/user-orders", buyer))["items"]
    await whole_story(client, admin, order["number"], PURCHASE)
    printed = await asyncio.to_thread(run_trace, client, product["id"])
    assert f"Purchases: {order['number']}: paid, 1 order\n" in printed.stdout
    assert "Waited" not in printed.stdout


async def test_story_of_a_declined_card_says_why(client: JourneyClient) -> None:
    admin, buyer = await client.admin(), await client.new_buyer()
    session = await client.open_session(buyer, [(await client.new_product(), 1)])
    await client.pay(session, BAD_CARD)

    await whole_story(client, admin, session["session_id"], {("publish", "order", "payment.declined")})

    printed = await asyncio.to_thread(run_trace, client, session["session_id"])
    assert printed.stdout.startswith("State:    declined\n")
    assert "payment.declined: card_declined" in printed.stdout
    assert "Failures: none" not in printed.stdout


async def test_unknown_id_is_an_error_with_advice(client: JourneyClient) -> None:
    response = await client.request("GET", "/kafka/api/traces/NB-NOWHERE-1", who=await client.admin())
    printed = await asyncio.to_thread(run_trace, client, "NB-NOWHERE-1")

    assert (response.status, response.json["slug"]) == (404, "trace-not-found")
    assert (printed.returncode, printed.stdout) == (1, "")
    assert printed.stderr == (
        "nextbuy: No interactions found for NB-NOWHERE-1. Check that the id is complete. Interactions appear a few "
        "seconds after they happen and are deleted after 7 days (NEXTBUY_TRACE_DAYS).\n"
    )
    empty = await asyncio.to_thread(run_trace, client, " ")
    assert (empty.returncode, empty.stderr) == (
        1,
        "nextbuy: The id is empty. Give an id, such as the number of an order.\n",
    )


@pytest.mark.timeout(300)
async def test_story_survives_an_outage_of_the_store_and_is_read_while_nothing_runs(
    start_marketplace: StartMarketplace,
) -> None:
    market = start_marketplace(Topology.MANY)
    async with JourneyClient.connect(market) as client:
        buyer, product = await client.new_buyer(), await client.new_product()
        market.service("kafka").suspend()
        session = await client.open_session(buyer, [(product, 1)])
        await client.pay(session)
        await client.wait_for_status("paid", buyer, session)

        def is_noticed() -> bool:
            messages = [line.get("message", "") for line in market.lines()]
            return any(message.startswith("interactions not stored") for message in messages)

        await until(is_noticed, "a process has noticed the outage", timeout=30)
        market.service("kafka").resume()
        [order] = (await client.get("/order/api/user-orders", buyer))["items"]
        await whole_story(client, await client.admin(), order["number"], PURCHASE)
        assert market.stop() == 0

        printed = await asyncio.to_thread(run_trace, client, order["number"])

    assert printed.returncode == 0, printed.stderr
    assert f"Number:   {order['number']}" in printed.stdout
    assert "event order.created for create-notification" in printed.stdout

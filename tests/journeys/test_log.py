"""The log of a purchase: one trace from the first request to the last notification, and no secret."""

import asyncio
import json
import re

from tests.journeys.assertions import assert_problem
from tests.journeys.journey_client import BAD_CARD, JourneyClient, trace_headers
from tests.journeys.marketplace import PASSWORD, Line
from tests.waiting import until

PURCHASE_INTERACTIONS = {
    ("request", "client", "gateway", "create-payment-session"),
    ("forward", "gateway", "order", "create-payment-session"),
    ("call", "order", "auth", "validate-user"),
    ("call", "order", "product", "validate-products"),
    ("call", "order", "seller", "get-shops"),
    ("call", "order", "product", "hold-stock"),
    ("call", "order", "simulator", "open-payment"),
    ("request", "client", "gateway", "pay"),
    ("forward", "gateway", "simulator", "pay"),
    ("webhook", "simulator", "gateway", "checkout.session.completed"),
    ("request", "client", "gateway", "payment-webhook"),
    ("forward", "gateway", "order", "payment-webhook"),
    ("call", "order", "product", "update-stock"),
    ("step", "order", "order", "create-orders"),
    ("publish", "order", "kafka", "order.created"),
    ("publish", "order", "kafka", "order.paid"),
    ("consume", "kafka", "admin", "order.created"),
}
BATCH_CALLS = {
    "get-accounts",
    "issue-links",
    "receive-events",
    "list-logged-events",
    "read-logged-events",
    "missing-events",
    "list-parked-events",
}
"""Calls for many events or e-mails at once, in a trace of their own."""
LOOKS_SECRET = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.|v1=[0-9a-f]{32}|\$argon2|[Bb]earer [\w.-]{8}|whsec_")


def what(line: Line) -> tuple[str, str, str, str]:
    """Return kind, caller, callee and name of an interaction; a path is reduced to its verb and noun."""
    name = re.sub(r"^[A-Z]+ /[a-z]+/api/([a-z-]+).*", r"\1", line["name"])
    return line["kind"], line["caller"], line["callee"], name


async def at_rest(client: JourneyClient) -> None:
    """Wait until the log stops growing."""
    sizes = [-1, client.market.log_size()]

    async def stays() -> bool:
        await asyncio.sleep(0.7)
        sizes.append(client.market.log_size())
        return sizes[-1] == sizes[-2]

    await until(stays, "the log stops growing")


async def test_every_line_of_purchase_has_trace_of_first_request(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    basket = [(await client.new_product(), 1), (await client.new_product(), 2)]
    await at_rest(client)
    since, headers = client.market.log_size(), trace_headers()
    # On a busy machine, events of earlier requests may still be handled, in the traces of those requests.
    earlier = {line["trace_id"] for line in client.market.lines(0)}
    trace_id = headers["traceparent"].split("-")[1]
    session = await client.open_session(buyer, basket, headers)
    await client.pay(session, headers=headers)

    async def both_notified() -> bool:
        lines = [line for line in client.market.lines(since) if line["trace_id"] == trace_id]
        return len([line for line in lines if "create-notification" in line.get("subscriptions", {})]) == 2

    await until(both_notified, "both orders were notified", timeout=60)
    await at_rest(client)
    lines = [
        line
        for line in client.market.lines(since)
        if line.get("name") not in BATCH_CALLS and line["trace_id"] not in earlier
    ]
    assert {line["trace_id"] for line in lines} == {trace_id}, [line for line in lines if line["trace_id"] != trace_id]
    requests = [line for line in lines if line.get("kind") == "request" and line["name"].endswith("session")]
    assert [line["correlation_id"] for line in requests] == [headers["X-Request-ID"]]
    assert {what(line) for line in lines if "kind" in line} >= PURCHASE_INTERACTIONS


async def test_purchase_without_trace_gets_one_that_its_events_carry(client: JourneyClient) -> None:
    buyer, product = await client.new_buyer(), await client.new_product()
    since = client.market.log_size()
    session = await client.open_session(buyer, [(product, 1)], {"X-Request-ID": "journey-without-trace"})
    await client.pay(session)

    def of_the_order() -> list[Line]:
        lines = client.market.lines(since)
        traces = {line["trace_id"] for line in lines if line["correlation_id"] == "journey-without-trace"}
        return [line for line in lines if line["trace_id"] in traces]

    async def is_delivered() -> bool:
        return {"webhook", "publish", "consume"} <= {line.get("kind") for line in of_the_order()}

    await until(is_delivered, "the order was delivered")
    assert len({line["trace_id"] for line in of_the_order()}) == 1


async def test_no_log_line_holds_a_secret(client: JourneyClient) -> None:
    since = client.market.log_size()
    buyer, product = await client.new_buyer(), await client.new_product()
    wrong = {"email": buyer.email, "password": f"{PASSWORD}-wrong"}
    assert_problem(await client.request("POST", "/auth/api/login", wrong), 401)
    assert_problem(
        await client.request("POST", "/auth/api/register", {"password": PASSWORD, "card_number": BAD_CARD}), 422
    )
    assert_problem(await client.request("GET", f"/product/api/get-product/{buyer.token}"), 404)
    assert_problem(await client.request("GET", f"/auth/api/me?access_token={buyer.token}"), 401)
    assert_problem(
        await client.request("GET", "/auth/api/me", headers={"Authorization": f"Bearer {buyer.token}x"}), 401
    )
    assert_problem(
        await client.request("POST", "/auth/api/refresh-session", {"refresh_token": buyer.refresh_token + "x"}), 401
    )
    session = await client.open_session(buyer, [(product, 1)])
    client.market.secrets.add("4111111111111111")
    assert_problem(await client.pay(session, "4111111111111111"), 422)
    assert (await client.pay(session, BAD_CARD)).json["status"] == "declined"
    assert_problem(await client.webhook({"id": "evt_x"}), 400)
    assert (await client.cancel(buyer, session)).status == 200
    assert [line for line in client.market.lines(since) if LOOKS_SECRET.search(json.dumps(line))] == []
    assert client.market.leaked_secrets() == []

"""What the log says of a purchase: one trace from the first request to the last notification, and no secret."""

import asyncio
import json
import re

from tests.journeys.marketplace import PASSWORD, Line
from tests.journeys.people import BAD_CARD, Town, new_trace
from tests.journeys.shapes import is_problem
from tests.waiting import until

OF_A_PURCHASE = {
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
    ("consume", "kafka", "kafka", "order.created"),
    ("call", "kafka", "admin", "create-notification"),
}
FOR_MANY = {"get-accounts", "count-activity"}
"""Calls that are made about many events at once, in a trace of their own."""
LOOKS_SECRET = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.|v1=[0-9a-f]{32}|\$argon2|[Bb]earer [\w.-]{8}|whsec_")


def what(line: Line) -> tuple[str, str, str, str]:
    """Who said what to whom; of an address, the verb and noun."""
    name = re.sub(r"^[A-Z]+ /[a-z]+/api/([a-z-]+).*", r"\1", line["name"])
    return line["kind"], line["caller"], line["callee"], name


async def at_rest(town: Town) -> None:
    """Wait until nothing more is written into the log by what was done before."""
    sizes = [-1, town.market.log_size()]

    async def stays() -> bool:
        await asyncio.sleep(0.7)
        sizes.append(town.market.log_size())
        return sizes[-1] == sizes[-2]

    await until(stays, "the log comes to rest")


async def test_every_line_of_a_purchase_has_the_trace_of_its_first_request(town: Town) -> None:
    buyer = await town.buyer()
    basket = [(await town.product(), 1), (await town.product(), 2)]
    await at_rest(town)
    since, headers = town.market.log_size(), new_trace()
    trace_id = headers["traceparent"].split("-")[1]
    session = await town.session(buyer, basket, headers)
    await town.pay(session, headers=headers)

    async def told() -> bool:
        lines = town.market.lines(since)
        return len([line for line in lines if line.get("name") == "create-notification"]) == 2

    await until(told, "both orders were told of")
    await at_rest(town)
    lines = [line for line in town.market.lines(since) if line.get("name") not in FOR_MANY]
    assert {line["trace_id"] for line in lines} == {trace_id}, [line for line in lines if line["trace_id"] != trace_id]
    assert {line["correlation_id"] for line in lines} == {headers["X-Request-ID"]}
    assert {what(line) for line in lines if "kind" in line} >= OF_A_PURCHASE


async def test_a_purchase_without_a_trace_is_given_one_that_its_events_keep(town: Town) -> None:
    buyer, product = await town.buyer(), await town.product()
    since = town.market.log_size()
    session = await town.session(buyer, [(product, 1)], {"X-Request-ID": "journey-without-trace"})
    await town.pay(session)

    def of_the_order() -> list[Line]:
        return [line for line in town.market.lines(since) if line["correlation_id"] == "journey-without-trace"]

    async def told() -> bool:
        return {"webhook", "publish", "consume"} <= {line.get("kind") for line in of_the_order()}

    await until(told, "the order was told of")
    assert len({line["trace_id"] for line in of_the_order()}) == 1


async def test_no_line_holds_a_secret_whatever_is_sent(town: Town) -> None:
    since = town.market.log_size()
    buyer, product = await town.buyer(), await town.product()
    wrong = {"email": buyer.email, "password": f"{PASSWORD}-wrong"}
    is_problem(await town.ask("POST", "/auth/api/login", wrong), 401)
    is_problem(await town.ask("POST", "/auth/api/register", {"password": PASSWORD, "card_number": BAD_CARD}), 422)
    is_problem(await town.ask("GET", f"/product/api/get-product/{buyer.token}"), 404)
    is_problem(await town.ask("GET", f"/auth/api/me?access_token={buyer.token}"), 401)
    is_problem(await town.ask("GET", "/auth/api/me", headers={"Authorization": f"Bearer {buyer.token}x"}), 401)
    is_problem(await town.ask("POST", "/auth/api/refresh-session", {"refresh_token": buyer.refresh_token + "x"}), 401)
    session = await town.session(buyer, [(product, 1)])
    town.market.secrets.add("4111111111111111")
    is_problem(await town.pay(session, "4111111111111111"), 422)
    assert (await town.pay(session, BAD_CARD)).said["status"] == "declined"
    is_problem(await town.webhook({"id": "evt_x", "type": "x"}), 400)
    await town.until_it_is("failed", buyer, session)
    assert [line for line in town.market.lines(since) if LOOKS_SECRET.search(json.dumps(line))] == []
    assert town.market.told_secrets() == []

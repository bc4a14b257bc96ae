"""Calls between services: replies, errors, permissions, and the lines that they leave."""

import json
from typing import Any

import msgspec
import pytest

from nextbuy.contracts.errors import (
    AppError,
    BadGateway,
    Forbidden,
    ServiceUnavailable,
    Unavailable,
)
from nextbuy.kit.observability import telemetry
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.kit.wire import PROBLEM, Request, Response
from tests.conftest import OpenDatabase
from tests.kit.rpc.sample_callee import Ask, Callee, Echoed, Lines, Spend, app, calls_to
from tests.ports import free_port


async def test_call_returns_reply_and_logs_one_line(log: Lines) -> None:
    with telemetry.use_span(telemetry.start_span(request_id="purchase-1")) as trace:
        reply = await calls_to(app(Callee(lambda _: None)), log.journal).send(Ask(word="héllo"))
    assert reply == Echoed("héllo")
    [line] = log()
    assert (line["kind"], line["caller"], line["callee"], line["name"]) == ("call", "caller", "callee", "ask")
    assert (line["outcome"], line["status"], line["attempt"]) == ("ok", 200, 1)
    assert line["trace_id"] == trace.trace_id
    assert line["parent_id"] == trace.span_id


async def test_calls_recorded_elsewhere_log_failed_attempts_only(log: Lines) -> None:
    def once(_call: object) -> None:
        if callee.count < 2:
            raise Unavailable("not yet")

    callee = Callee(once)
    await calls_to(app(callee), log.journal, record_success=False).send(Ask(word="a"))

    assert [line["outcome"] for line in log()] == ["unavailable"]


async def test_crash_of_callee_is_reported_as_internal_error_only(log: Lines) -> None:
    def crashes(_call: object) -> None:
        raise ZeroDivisionError("the secret is 42")

    with pytest.raises(AppError) as caught:
        await calls_to(app(Callee(crashes)), log.journal).send(Ask(word="a"))
    assert (caught.value.status, caught.value.slug) == (500, "internal-error")
    assert "42" not in caught.value.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"slug": "a\nb"},
        {"slug": "x" * 5_000},
        {"detail": "x" * 20_000},
        {"status": 200},
        {"status": 10**21},
        {"errors": [{"field": "a", "message": "b"}] * 2_000},
    ],
    ids=["line break", "long slug", "long detail", "no error", "no status", "many errors"],
)
async def test_error_of_a_callee_has_bounds_too(log: Lines, changes: dict[str, Any]) -> None:
    problem = {"type": "t", "title": "t", "status": 409, "detail": "d", "slug": "sold-out", "correlation_id": "c"}

    async def refuses(_request: Request) -> Response:
        return Response(409, json.dumps(problem | changes).encode(), PROBLEM)

    with pytest.raises(BadGateway):
        await calls_to(refuses, log.journal).send(Spend(word="a"))


@pytest.mark.parametrize("retry_after", ["9" * 400, "-1", "soon", "\u0661"])
async def test_implausible_retry_after_is_ignored(log: Lines, retry_after: str) -> None:
    problem = Unavailable("away").problem("c")

    async def refuses(_request: Request) -> Response:
        return Response(503, msgspec.json.encode(problem), PROBLEM, [("retry-after", retry_after)])

    with pytest.raises(Unavailable) as caught:
        await calls_to(refuses, log.journal).send(Spend(word="a"))

    assert caught.value.retry_after is None


async def test_malformed_reply_is_bad_gateway(log: Lines) -> None:
    async def babbles(_request: Request) -> Response:
        return Response(200, b"<html>")

    with pytest.raises(BadGateway):
        await calls_to(babbles, log.journal).send(Spend(word="a"))

    [line] = [line for line in log() if line.get("kind") == "call"]
    assert (line["outcome"], line["status"]) == (BadGateway.slug, 502)
    assert "status 200, body begins: <html> <- DecodeError: JSON is malformed" in line["reason"]


async def test_connection_that_is_refused_leaves_the_error_of_the_operating_system(log: Lines) -> None:
    nobody = HttpTransport("callee", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(ServiceUnavailable):
        await calls_to(None, log.journal, transport=nobody).send(Spend(word="a"))

    [line] = log()
    assert (line["outcome"], line["status"]) == ("callee-unavailable", 503)
    assert line["reason"].endswith("<- connection refused")
    await nobody.close()


async def test_service_outside_callers_is_refused(log: Lines) -> None:
    with pytest.raises(Forbidden) as caught:
        await calls_to(app(Callee(lambda _: None)), log.journal, caller="stranger").send(Ask(word="a"))
    assert caught.value.slug == "caller-not-allowed"


@pytest.mark.parametrize("identity", ["", "caller", "caller.99999999999.00", "caller.1.", "ä.ö.ü"])
async def test_internal_path_refuses_unsigned_request(identity: str) -> None:
    request = Request("POST", Ask.path, "", {"x-nextbuy-service": identity}, b'{"word":"a"}')
    assert (await app(Callee(lambda _: None))(request)).status == 401


async def test_call_in_open_transaction_is_refused(log: Lines, open_database: OpenDatabase) -> None:
    database = await open_database("")
    calls = calls_to(app(Callee(lambda _: None)), log.journal)
    async with database.transaction():
        with pytest.raises(RuntimeError, match="transaction is open"):
            await calls.send(Ask(word="a"))
    await calls.send(Ask(word="a"))

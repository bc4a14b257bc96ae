"""Calls between services: retries, deadlines, the breaker, and permissions."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from nextbuy.contracts.errors import (
    AppError,
    BadGateway,
    BreakerOpen,
    Conflict,
    DeadlinePassed,
    Forbidden,
    InternalError,
    Unauthenticated,
    Unavailable,
)
from nextbuy.contracts.message import Call
from nextbuy.kit.deadline import set_deadline, time_left
from nextbuy.kit.http.app import App
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import LocalTransport, Transport
from nextbuy.kit.service import Service, answers
from nextbuy.kit.wire import Handler, Request, Response
from tests.conftest import OpenDatabase
from tests.log_lines import decode_line

SECRET = b"a secret of sixteen bytes or more"


class Echoed(Struct, frozen=True):
    word: str


class Ask(Call[Echoed], to="callee", name="ask", callers=("caller",), idempotent=True):
    word: str


class Spend(Call[Echoed], to="callee", name="spend", callers=("caller",), idempotent=False):
    word: str


@dataclass
class Callee:
    """A callee that runs `act` for each call and counts them."""

    act: Callable[[Any], Any]
    count: int = 0

    async def handle(self, call: Any) -> Echoed:  # noqa: ANN401
        self.count += 1
        result = self.act(call)
        if hasattr(result, "__await__"):
            await result
        return Echoed(call.word)


async def _act(deps: Callee, call: Ask | Spend) -> Echoed:
    return await deps.handle(call)


SERVICE = Service(name="callee", deps=Callee, calls=[answers(Ask, _act), answers(Spend, _act)])


class Lines:
    """The lines of a journal."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.journal = journal

    def __call__(self) -> list[dict[str, Any]]:
        return [decode_line(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Lines]:
    """A journal in a temporary file."""
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    yield Lines(path, Journal(fd))
    os.close(fd)


def calls_to(
    handler: Handler | None,
    journal: Journal,
    *,
    caller: str = "caller",
    breaker: Breaker | None = None,
    record_success: bool = True,
) -> Calls:
    transports: dict[str, Transport] = {"callee": LocalTransport("callee", lambda: handler)}
    return Calls(
        ServiceIdentity(SECRET, caller),
        transports,
        journal,
        breakers={"callee": breaker or Breaker(time.monotonic)},
        record_success=record_success,
    )


def app(callee: Callee) -> Handler:
    return App(SERVICE, callee, identity=ServiceIdentity(SECRET, "callee")).handle


async def test_call_returns_reply_and_logs_one_line(log: Lines) -> None:
    with telemetry.use_span(telemetry.start_span(request_id="purchase-1")) as trace:
        reply = await calls_to(app(Callee(lambda _: None)), log.journal).send(Ask(word="héllo"))
    assert reply == Echoed("héllo")
    [line] = log()
    assert (line["kind"], line["caller"], line["callee"], line["name"]) == ("call", "caller", "callee", "ask")
    assert (line["outcome"], line["status"], line["attempt"]) == ("ok", 200, 1)
    assert (line["trace_id"], line["correlation_id"]) == (trace.trace_id, "purchase-1")
    assert line["parent_id"] == trace.span_id


async def test_calls_recorded_elsewhere_log_failed_attempts_only(log: Lines) -> None:
    def once(_call: object) -> None:
        if callee.count < 2:
            raise Unavailable("not yet")

    callee = Callee(once)
    await calls_to(app(callee), log.journal, record_success=False).send(Ask(word="a"))

    assert [line["outcome"] for line in log()] == ["unavailable"]


async def test_idempotent_call_is_retried_until_success(log: Lines) -> None:
    def twice(_call: object) -> None:
        if callee.count < 3:
            raise Unavailable("not yet")

    callee = Callee(twice)
    await calls_to(app(callee), log.journal).send(Ask(word="a"))
    assert [line["attempt"] for line in log()] == [1, 2, 3]
    assert [line["outcome"] for line in log()] == ["unavailable", "unavailable", "ok"]


async def test_other_call_is_tried_once(log: Lines) -> None:
    def fails(_call: object) -> None:
        raise Unavailable("away")

    callee = Callee(fails)
    with pytest.raises(Unavailable):
        await calls_to(app(callee), log.journal).send(Spend(word="a"))
    assert callee.count == 1


@pytest.mark.parametrize("kind", [Conflict, Forbidden, Unauthenticated])
async def test_final_error_is_not_retried_and_keeps_slug(log: Lines, kind: type[AppError]) -> None:
    def refuses(_call: object) -> None:
        error = kind("no")
        error.slug = "my-slug"
        raise error

    callee = Callee(refuses)
    with pytest.raises(kind) as caught:
        await calls_to(app(callee), log.journal).send(Ask(word="a"))
    assert (callee.count, caught.value.slug) == (1, "my-slug")


async def test_failing_callee_opens_breaker(log: Lines) -> None:
    def fails(_call: object) -> None:
        raise ZeroDivisionError

    callee = Callee(fails)
    now = 0.0
    breaker = Breaker(lambda: now)
    calls = calls_to(app(callee), log.journal, breaker=breaker)
    for _ in range(5):
        with pytest.raises(InternalError):
            await calls.send(Spend(word="a"))
    with pytest.raises(BreakerOpen) as caught:
        await calls.send(Spend(word="a"))
    assert callee.count == 5
    assert caught.value.retry_after is not None
    callee.act = lambda _call: None
    now += caught.value.retry_after + 0.01
    for _ in range(3):
        await calls.send(Spend(word="a"))
    assert breaker.state == "closed"


async def test_callee_that_cannot_be_reached_trips_the_breaker(log: Lines) -> None:
    breaker = Breaker(time.monotonic)
    calls = calls_to(None, log.journal, breaker=breaker)

    for _ in range(5):
        with pytest.raises(Unavailable):
            await calls.send(Spend(word="a"))

    assert breaker.state == "open"


async def test_callee_that_names_an_unavailable_dependency_does_not_trip_the_breaker(log: Lines) -> None:
    def fails(_call: object) -> None:
        raise Unavailable("The database is unavailable.")

    breaker = Breaker(time.monotonic)
    calls = calls_to(app(Callee(fails)), log.journal, breaker=breaker)

    for _ in range(20):
        with pytest.raises(Unavailable, match="database"):
            await calls.send(Spend(word="a"))

    assert breaker.state == "closed"


async def test_refusals_do_not_trip_the_breaker(log: Lines) -> None:
    def refuses(_call: object) -> None:
        raise Conflict("no")

    breaker = Breaker(time.monotonic)
    calls = calls_to(app(Callee(refuses)), log.journal, breaker=breaker)
    for _ in range(50):
        with pytest.raises(Conflict):
            await calls.send(Ask(word="a"))
    assert breaker.state == "closed"


async def test_crash_of_callee_is_reported_as_internal_error_only(log: Lines) -> None:
    def crashes(_call: object) -> None:
        raise ZeroDivisionError("the secret is 42")

    with pytest.raises(AppError) as caught:
        await calls_to(app(Callee(crashes)), log.journal).send(Ask(word="a"))
    assert (caught.value.status, caught.value.slug) == (500, "internal-error")
    assert "42" not in caught.value.detail


async def test_deadline_of_caller_covers_all_attempts(log: Lines) -> None:
    never = asyncio.Event()
    callee = Callee(lambda _call: never.wait())
    began = time.monotonic()

    async def hurried() -> None:
        set_deadline(0.1)
        await calls_to(app(callee), log.journal).send(Ask(word="a"))

    with pytest.raises(DeadlinePassed):
        await asyncio.create_task(hurried())
    assert time.monotonic() - began < 1.0
    never.set()


async def test_deadline_is_sent_with_call(log: Lines) -> None:
    left: list[float] = []

    async def looks(_call: object) -> None:
        left.append(time_left(100))

    async def hurried() -> None:
        set_deadline(0.5)
        await calls_to(app(Callee(looks)), log.journal).send(Ask(word="a"))

    await asyncio.create_task(hurried())
    assert 0.2 < left[0] <= 0.5


async def test_malformed_reply_is_bad_gateway(log: Lines) -> None:
    async def babbles(_request: Request) -> Response:
        return Response(200, b"<html>")

    with pytest.raises(BadGateway):
        await calls_to(babbles, log.journal).send(Spend(word="a"))


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

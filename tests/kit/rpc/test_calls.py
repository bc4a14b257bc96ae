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
    ServiceUnavailable,
    Unauthenticated,
    Unavailable,
)
from nextbuy.contracts.message import Call
from nextbuy.kit.deadline import set_deadline, time_left
from nextbuy.kit.http.app import App
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import CALL_TIMEOUT, Calls
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport, Transport
from nextbuy.kit.service import Service, answers
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import Handler, Request, Response
from nextbuy.kit.workload import in_background, set_background
from tests.conftest import OpenDatabase
from tests.log_lines import decode_line
from tests.ports import free_port

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


def breakers_of(now: Callable[[], float] = time.monotonic) -> Breakers:
    return Breakers("caller", ["callee"], now)


def calls_to(
    handler: Handler | None,
    journal: Journal,
    *,
    caller: str = "caller",
    breakers: Breakers | None = None,
    record_success: bool = True,
    transport: Transport | None = None,
) -> Calls:
    transports: dict[str, Transport] = {"callee": transport or LocalTransport("callee", lambda: handler)}
    return Calls(
        ServiceIdentity(SECRET, caller),
        transports,
        journal,
        breakers=breakers or breakers_of(time.monotonic),
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
    breakers = breakers_of(lambda: now)
    calls = calls_to(app(callee), log.journal, breakers=breakers)
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
    assert breakers.of("callee").state == "closed"


async def test_callee_that_cannot_be_reached_trips_the_breaker(log: Lines) -> None:
    breakers = breakers_of()
    calls = calls_to(None, log.journal, breakers=breakers)

    for _ in range(5):
        with pytest.raises(Unavailable):
            await calls.send(Spend(word="a"))

    assert breakers.of("callee").state == "open"


async def test_callee_that_names_an_unavailable_dependency_does_not_trip_the_breaker(log: Lines) -> None:
    def fails(_call: object) -> None:
        raise Unavailable("The database is unavailable.")

    breakers = breakers_of()
    calls = calls_to(app(Callee(fails)), log.journal, breakers=breakers)

    for _ in range(20):
        with pytest.raises(Unavailable, match="database"):
            await calls.send(Spend(word="a"))

    assert breakers.of("callee").state == "closed"


async def test_refusals_do_not_trip_the_breaker(log: Lines) -> None:
    def refuses(_call: object) -> None:
        raise Conflict("no")

    breakers = breakers_of()
    calls = calls_to(app(Callee(refuses)), log.journal, breakers=breakers)
    for _ in range(50):
        with pytest.raises(Conflict):
            await calls.send(Ask(word="a"))
    assert breakers.of("callee").state == "closed"


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


@pytest.mark.parametrize(("call", "share"), [(Ask(word="a"), 1 / 3), (Spend(word="a"), 1)], ids=["idempotent", "once"])
async def test_deadline_is_sent_with_call(log: Lines, call: Ask | Spend, share: float) -> None:
    left: list[float] = []

    async def looks(_call: object) -> None:
        left.append(time_left(100))

    async def hurried() -> None:
        set_deadline(6)
        await calls_to(app(Callee(looks)), log.journal).send(call)

    await asyncio.create_task(hurried())
    assert left[0] <= CALL_TIMEOUT * share < left[0] + 0.5


async def test_hang_is_retried_within_the_time_of_the_caller(log: Lines) -> None:
    never = asyncio.Event()

    async def hangs_once(_call: object) -> None:
        if callee.count == 1:
            await never.wait()

    callee = Callee(hangs_once)
    set_deadline(0.6)

    await calls_to(app(callee), log.journal).send(Ask(word="a"))

    assert [line["outcome"] for line in log()] == ["deadline-passed", "ok"]


async def test_last_attempt_gets_all_the_time_that_is_left(log: Lines) -> None:
    left: list[float] = []

    async def fails(_call: object) -> None:
        left.append(time_left(100))
        raise Unavailable("not yet")

    with pytest.raises(Unavailable):
        await calls_to(app(Callee(fails)), log.journal).send(Ask(word="a"))

    assert left[0] < left[1] + 0.2
    assert left[2] > 1.5 * left[0]


async def test_attempt_is_not_cut_short_without_a_retry_to_follow(log: Lines) -> None:
    """With an empty retry budget a shorter attempt could only fail."""
    left: list[float] = []

    async def fails(_call: object) -> None:
        left.append(time_left(100))
        raise Unavailable("not yet")

    calls = calls_to(app(Callee(fails)), log.journal)
    for _ in range(8):
        with pytest.raises(Unavailable):
            await calls.send(Ask(word="a"))

    assert left[-1] > CALL_TIMEOUT * 0.9


async def test_failing_background_calls_do_not_stop_those_that_people_wait_for(log: Lines) -> None:
    def crashes_in_background(_call: object) -> None:
        if in_background():
            raise ZeroDivisionError

    calls = calls_to(app(Callee(crashes_in_background)), log.journal)

    async def job() -> None:
        set_background(True)
        for _ in range(5):
            with pytest.raises(InternalError):
                await calls.send(Spend(word="a"))
        with pytest.raises(BreakerOpen):
            await calls.send(Spend(word="a"))

    await asyncio.create_task(job())

    assert await calls.send(Spend(word="a")) == Echoed("a")


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
    assert line["reason"].endswith(" <- connection refused")
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

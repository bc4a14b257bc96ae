"""Attempts of a call: retries, deadlines, and what the breaker counts."""

import asyncio
import time

import msgspec
import pytest

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
from nextbuy.kit.deadline import set_deadline, time_left
from nextbuy.kit.http.app import App
from nextbuy.kit.rpc.calls import CALL_TIMEOUT
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import IDENTITY, Request, Response
from nextbuy.kit.workload import in_background, set_background
from tests.kit.rpc.sample_callee import SECRET, SERVICE, Ask, Callee, Echoed, Lines, Spend, app, breakers_of, calls_to
from tests.waiting import until


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


async def test_pause_of_a_callee_under_load_does_not_open_the_breaker(log: Lines) -> None:
    """Calls whose first attempts all hang are retried; calls without a retry wait until the callee resumes."""
    resumed = asyncio.Event()
    callee = Callee(lambda _call: resumed.wait())
    breakers = breakers_of()
    calls = calls_to(app(callee), log.journal, breakers=breakers)

    async def call() -> Echoed:
        set_deadline(2.0)
        return await calls.send(Ask(word="a"))

    running = [asyncio.create_task(call()) for _ in range(30)]
    await until(lambda: sum(line["outcome"] == "deadline-passed" for line in log()) >= 5)
    resumed.set()

    assert await asyncio.gather(*running) == [Echoed("a")] * 30
    assert breakers.of("callee").state == "closed"


async def test_hang_of_the_last_attempts_opens_the_breaker(log: Lines) -> None:
    never = asyncio.Event()
    breakers = breakers_of()
    calls = calls_to(app(Callee(lambda _call: never.wait())), log.journal, breakers=breakers)

    async def call() -> None:
        set_deadline(1.5)
        with pytest.raises(DeadlinePassed):
            await calls.send(Ask(word="a"))

    await asyncio.gather(*(call() for _ in range(5)))

    assert breakers.of("callee").state == "open"


async def test_refused_signature_is_a_failure_of_the_callee_and_no_logout_of_the_client(log: Lines) -> None:
    breakers = breakers_of()
    other = App(SERVICE, Callee(lambda _: None), identity=ServiceIdentity(b"of another marketplace", "callee")).handle

    async def over_the_network(request: Request) -> Response:
        signature = ServiceIdentity(SECRET, "caller").sign("callee", request.method, request.target, request.body)
        return await other(msgspec.structs.replace(request, headers={IDENTITY: signature}, sender=None))

    calls = calls_to(over_the_network, log.journal, breakers=breakers)
    for _ in range(5):
        with pytest.raises(BadGateway) as caught:
            await calls.send(Spend(word="a"))
        assert (caught.value.status, caught.value.slug) == (502, "signature-refused")

    assert breakers.of("callee").state == "open"


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

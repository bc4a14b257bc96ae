"""An internal call in one process, compared with a direct call of its handler with the same JSON.

As a program, on its own core: reads a job as JSON from standard input and prints the times of each round.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from random import Random
from statistics import median
from typing import Any, Final
from uuid import UUID

import msgspec
import uvloop
from msgspec import Struct
from redis.asyncio import Redis

from bench.catalogue import id_of
from bench.machine import SERVER_CORE, pin
from bench.market import Market
from bench.plan import Plan
from bench.programs import module_output
from bench.report import Figure, Mark, compared
from nextbuy.contracts.message import Call, Check
from nextbuy.contracts.product import Line, ValidateProducts
from nextbuy.contracts.values import Nothing
from nextbuy.host.composition import SERVICES
from nextbuy.host.databases import service_url
from nextbuy.host.secrets import installation_secret
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.http.app import App
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import LocalTransport
from nextbuy.kit.service import Service, answers
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import encode

LINES: Final = 10
_LIMIT: Final = 60.0


class Job(Struct):
    """The database of product, and the number of calls."""

    postgres_url: str
    secret: str
    products: int
    rounds: int
    calls: int


class Rounds(Struct):
    """Microseconds of a direct and of an internal call in each round."""

    real: list[tuple[float, float]]
    trivial: list[tuple[float, float]]


class Nod(Call[Nothing], to="product", name="nod", callers=("order",), idempotent=True):
    """A call without work, which costs only the overhead of calls."""

    product_id: UUID


async def nod(_product: object, _call: Nod) -> Nothing:
    """Answer with nothing."""
    return Nothing()


async def internal_call(target: Market, plan: Plan) -> list[Figure]:
    """Measure a real call and a trivial one."""
    settings = Settings(secret=installation_secret(target.data))
    job = Job(target.database_url("postgres"), settings.secret.decode(), plan.products, plan.rounds, plan.calls)
    rounds = msgspec.convert(await module_output("bench.figures.internal_call", job, timeout=_LIMIT), type=Rounds)
    ceiling_is = "the same handler called directly: encode the call, decode it, act, encode the reply, decode it"
    return [
        compared(
            "internal call",
            "µs",
            rounds.real,
            mark=Mark("at most", 3),
            mix=f"ValidateProducts of {LINES} lines through Calls, LocalTransport and App, the real product service "
            f"on its database; one at a time, median of {plan.calls}",
            ceiling_is=ceiling_is,
        ),
        compared(
            "internal call of nothing",
            "µs",
            rounds.trivial,
            mark=None,
            mix="a call whose handler does nothing: only identity, deadline, breaker, trace, and log line remain",
            ceiling_is=ceiling_is,
            details={"overhead in µs": median(ours - direct for direct, ours in rounds.trivial)},
        ),
    ]


async def _direct(deps: object, act: Callable[[Any, Any], Awaitable[object]], call: Call[Any]) -> object:
    request = msgspec.json.decode(encode(call), type=type(call))
    return msgspec.json.decode(encode(await act(deps, request)), type=call.reply)


async def _microseconds(act: Callable[[], Awaitable[object]], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await act()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1e6


async def _run(job: Job) -> Rounds:
    settings = Settings(secret=job.secret.encode(), postgres_url=job.postgres_url)
    database = await Database.connect(service_url(settings, "product"), "product")
    with open(os.devnull, "wb") as nowhere:  # noqa: ASYNC230, PTH123  never waits
        journal = Journal(nowhere.fileno())
        entry = SERVICES["product"]
        redis: Redis = Redis(unix_socket_path="/nowhere")
        parts = ServiceContext(
            send=_no_calls,
            deliver=_no_calls,
            settings=settings,
            journal=journal,
            clock=utc_now,
            database=database,
            cache=SharedCache(None, ""),
            bus=RedisBus(redis),
            destinations=(),
            publishers=(),
        )
        deps = entry.assemble(parts)
        service = Service(name="product", deps=entry.service.deps, calls=[*entry.service.calls, answers(Nod, nod)])
        app = App(service, deps, identity=ServiceIdentity(settings.secret, "product"), database=database)
        transports = {"product": LocalTransport("product", lambda: app.handle)}
        breakers = Breakers("order", ["product"], asyncio.get_running_loop().time)
        calls = Calls(ServiceIdentity(settings.secret, "order"), transports, journal, breakers=breakers)
        validate = next(answering.act for answering in entry.service.calls if answering.call is ValidateProducts)
        random = Random(22)  # noqa: S311  the same baskets each time

        def basket() -> ValidateProducts:
            return ValidateProducts(lines=[Line(id_of(n), 1) for n in random.sample(range(job.products), LINES)])

        found = Rounds([], [])
        for number in range(job.rounds + 1):
            real = (
                await _microseconds(lambda: _direct(deps, validate, basket()), job.calls),
                await _microseconds(lambda: calls.send(basket()), job.calls),
            )
            request = Nod(product_id=id_of(number))
            trivial = (
                await _microseconds(lambda: _direct(deps, nod, request), 5 * job.calls),  # noqa: B023  awaited here
                await _microseconds(lambda: calls.send(request), 5 * job.calls),  # noqa: B023  awaited here
            )
            if number:
                # Round 0 warms both up.
                found.real.append(real)
                found.trivial.append(trivial)
    await redis.aclose()
    await database.close()
    return found


async def _no_calls(call: Call[Any], _check: Check[Any] | None = None) -> Any:  # noqa: ANN401  any reply
    message = f"unexpected call {call.name}"
    raise RuntimeError(message)


async def _main() -> None:
    pin(0, SERVER_CORE)
    found = await _run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    sys.stdout.write(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())

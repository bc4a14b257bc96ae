"""Reads through the gateway: product, list, and search, compared with the same server without an application."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from statistics import median
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from bench.catalogue import id_of, queries
from bench.ceiling import ceiling
from bench.http import Connection, request_bytes
from bench.load import CONNECTIONS, LoadError, Result, generator, load, request_each
from bench.machine import cpu_seconds
from bench.market import Market
from bench.plan import Plan
from bench.report import Figure, Mark, compared
from bench.words import GOODS

_LIST: Final = "/product/api/get-all-products"
_DEEP: Final = 8
"""Requested pages of each list."""
_REQUESTS: Final = 20_000
_SAMPLE: Final = 25
Pick = Callable[[int], list[str]]
"""Returns the paths of a round."""


class Read(Struct, frozen=True):
    """A figure of requests: which, how they are described, and what is done before."""

    name: str
    pick: Pick
    mark: Mark
    mix: str
    once: Sequence[str] = ()
    """Paths requested once before the measurement, which is of the steady state."""
    before: Callable[[], Awaitable[None]] | None = None
    """Called before each load of the marketplace."""


async def reads(target: Market, plan: Plan) -> list[Figure]:
    """Measure product, list, and search."""
    connection = await Connection.connect(target.port)
    try:
        pages = await _pages(connection)
    finally:
        connection.close()
    searches = [f"/product/api/search-products?q={quote(query)}" for query in queries()]
    details = [f"/product/api/get-product/{id_of(number)}" for number in range(plan.products)]
    asked = (
        Read(
            "product detail",
            partial(picked, details),
            Mark("at least", 0.5),
            f"GET get-product/ID, {plan.products:,} products, equally likely, each requested once before",
            details,
        ),
        Read(
            "list of 20",
            partial(picked, pages),
            Mark("at least", 0.25),
            f"GET get-all-products: {len(pages)} pages, equally likely: all goods and {len(GOODS)} categories, "
            f"3 orders, the first {_DEEP} pages of each by cursor",
        ),
        Read(
            "search",
            partial(picked, searches),
            Mark("at least", 0.1),
            f"GET search-products: {len(searches)} queries of one to three words, equally likely; some find nothing",
        ),
    )
    return [await figure_of(target, plan, read) for read in asked]


def picked(paths: Sequence[str], number: int) -> list[str]:
    """Return the paths of a round, equally likely."""
    random = Random(number)  # noqa: S311  the same requests each time
    return random.choices(paths, k=_REQUESTS)


async def _pages(connection: Connection) -> list[str]:
    found = []
    for category in ("", *GOODS):
        for sort in ("latest", "price-low", "price-high"):
            path = f"{_LIST}?limit=20&sort={sort}" + (f"&category={quote(category)}" if category else "")
            cursor = ""
            for _ in range(_DEEP):
                found.append(path + cursor)
                status, reply = await connection.request("GET", path + cursor)
                if status != 200:  # noqa: PLR2004
                    message = f"{path}{cursor} returned {status}: {reply}"
                    raise LoadError(message)
                if reply["next_cursor"] is None:
                    break
                cursor = f"&cursor={quote(reply['next_cursor'])}"
    return found


async def _usual_answer(port: int, paths: Sequence[str]) -> tuple[bytes, bytes]:
    """Return head and body of the response of median length in a sample."""
    connection = await Connection.connect(port)
    try:
        answers = []
        for path in paths[:_SAMPLE]:
            status, head, body = await connection.exchange(request_bytes("GET", path))
            if status != 200:  # noqa: PLR2004
                message = f"{path} returned {status}: {body[:300]!r}"
                raise LoadError(message)
            answers.append((len(body), head, body))
    finally:
        connection.close()
    _, head, body = sorted(answers)[len(answers) // 2]
    return head, body


async def figure_of(target: Market, plan: Plan, read: Read) -> Figure:
    """Measure requests and the same server without an application in turn."""
    head, body = await _usual_answer(target.port, read.pick(0))
    rounds: list[tuple[float, float]] = []
    late: list[float] = []
    cpu: list[float] = []
    async with ceiling(head, body) as (bare, bare_pid):
        # The first requests of a server are slower; with cold caches, ours are reported separately.
        await load(bare, read.pick(0), seconds=1)
        cold = await load(target.port, read.pick(0), seconds=1)
        await request_each(target.port, read.once)
        for number in range(1, plan.rounds + 1):
            paths = read.pick(number)
            best, best_cpu = await _load(bare, bare_pid, paths, plan)
            if read.before is not None:
                await read.before()
            ours, ours_cpu = await _load(target.port, target.pid, paths, plan)
            rounds.append((best.per_second, ours.per_second))
            late.append(ours.p99_ms)
            cpu.append(best_cpu / ours_cpu if ours_cpu else 0.0)
    size = len(head) + len(body)
    return compared(
        read.name,
        "/s",
        rounds,
        mark=read.mark,
        mix=f"{read.mix}; {CONNECTIONS} connections, load by {generator()}",
        ceiling_is=f"the same uvicorn with no application, sending one such response ({size:,} bytes)",
        details={
            "p99 ms": median(late),
            "/s in its first second": cold.per_second,
            "x by the processor time of the serving process": median(cpu),
        },
    )


async def _load(port: int, pid: int, paths: Sequence[str], plan: Plan) -> tuple[Result, float]:
    """Run a load; return its result and the seconds of processor time per request."""
    before = cpu_seconds(pid)
    result = await load(port, paths, seconds=plan.read_seconds)
    return result, (cpu_seconds(pid) - before) / result.requests

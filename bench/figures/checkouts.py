"""Completed checkouts per second, compared with pgbench running the statements of a checkout."""

import asyncio
from statistics import median
from typing import Final

import asyncpg

from bench.load import LoadError
from bench.machine import cpu_seconds
from bench.market import Market, People
from bench.plan import Plan
from bench.report import Figure, Mark, compared
from bench.scratch import pgbench, scratch
from bench.shoppers import CLIENTS, Job, Result, shop
from nextbuy.host.composition import SERVICES
from nextbuy.host.secrets import installation_secret
from nextbuy.kit.config import Settings

_QUIET: Final = 0.4
_TIMEOUT: Final = 30.0


async def checkouts(target: Market, people: People, plan: Plan) -> Figure:
    """Measure pgbench and shoppers in turn."""
    secret = Settings(secret=installation_secret(target.data)).signing_secrets()[0]
    rounds: list[tuple[float, float]] = []
    results: list[Result] = []
    lags: list[float] = []
    cpu: list[float] = []
    async with scratch(target.database_url("postgres"), plan.products) as url:
        for number in range(plan.rounds + 1):
            # Round 0 warms both up.
            seconds = plan.checkout_seconds if number else 1
            best = await pgbench(url, products=plan.products, clients=CLIENTS, seconds=seconds)
            before = cpu_seconds(target.pid)
            job = Job(target.port, people.buyers, plan.products, secret, seconds, number)
            ours = await shop(job)
            lag = await _drained(target)
            if ours.refused * 100 > ours.checkouts:
                message = f"{ours.refused} checkouts of {ours.checkouts + ours.refused} were refused: {ours.why}"
                raise LoadError(message)
            if number:
                rounds.append((best, ours.per_second))
                results.append(ours)
                lags.append(lag)
                cpu.append((cpu_seconds(target.pid) - before) * 1000 / ours.checkouts)
    return compared(
        "whole checkouts",
        "/s",
        rounds,
        mark=Mark("at least", 0.2),
        mix=f"create-payment-session (2 lines of 2 shops, any of {plan.products:,}, {len(people.buyers)} buyers) "
        f"and the signed payment-webhook, until both have a response; {CLIENTS} shoppers (bench/shoppers.py)",
        ceiling_is=f"pgbench -M prepared, {CLIENTS} clients: the statements of a checkout in its 7 writing "
        "transactions, fsync on in both; only ours includes the work that its events cause",
        details={
            "p50 ms": median(result.p50_ms for result in results),
            "p99 ms": median(result.p99_ms for result in results),
            "ms of the server's processor for each, with its events": median(cpu),
            "s until all events of a round were handled": median(lags),
            "refused": float(sum(result.refused for result in results)),
        },
    )


async def _drained(target: Market) -> float:
    """Wait until all events have been handled, so that they slow down no later figure; return the seconds."""
    order = await asyncpg.connect(target.database_url("order"))
    destinations = [
        await asyncpg.connect(target.database_url(name))
        for name, hosted in SERVICES.items()
        if hosted.service.subscriptions
    ]
    loop = asyncio.get_running_loop()
    started = changed = loop.time()
    handled = -1
    try:
        while loop.time() - changed < _QUIET and loop.time() - started < _TIMEOUT:
            waiting = await order.fetchval("SELECT count(*) FROM outbox")
            now_handled = sum([await one.fetchval("SELECT count(*) FROM inbox") for one in destinations])
            if waiting or now_handled != handled:
                handled, changed = now_handled, loop.time()
            await asyncio.sleep(0.05)
    finally:
        await order.close()
        for one in destinations:
            await one.close()
    return changed - started

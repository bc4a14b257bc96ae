"""Whole checkouts per second, against pgbench running the statements that one checkout needs."""

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
from nextbuy.host.secrets import installation_secret
from nextbuy.kit.config import Settings

_QUIET: Final = 0.4
_PATIENCE: Final = 30.0


async def checkouts(there: Market, people: People, plan: Plan) -> Figure:
    """Measure them, pgbench and shoppers in turn."""
    secret = Settings(secret=installation_secret(there.data)).signing_secrets()[0]
    rounds: list[tuple[float, float]] = []
    results: list[Result] = []
    lags: list[float] = []
    cpu: list[float] = []
    async with scratch(there.database_url("postgres"), plan.products) as url:
        for number in range(plan.rounds + 1):
            # Round 0 warms both up.
            seconds = plan.checkout_seconds if number else 1
            best = await pgbench(url, products=plan.products, clients=CLIENTS, seconds=seconds)
            before = cpu_seconds(there.pid)
            job = Job(there.port, people.buyers, plan.products, secret, seconds, number)
            ours = await shop(job)
            lag = await _drained(there)
            if ours.refused * 100 > ours.checkouts:
                message = f"{ours.refused} checkouts of {ours.checkouts + ours.refused} were refused: {ours.why}"
                raise LoadError(message)
            if number:
                rounds.append((best, ours.per_second))
                results.append(ours)
                lags.append(lag)
                cpu.append((cpu_seconds(there.pid) - before) * 1000 / ours.checkouts)
    return compared(
        "whole checkouts",
        "/s",
        rounds,
        mark=Mark("at least", 0.2),
        mix=f"create-payment-session (2 lines of 2 shops, any of {plan.products:,}, {len(people.buyers)} buyers) "
        f"and the signed payment-webhook, until both are answered; {CLIENTS} shoppers (bench/shoppers.py)",
        ceiling_is=f"pgbench -M prepared, {CLIENTS} clients: the statements of a checkout in its 7 writing "
        "transactions, fsync on in both; what the events set off afterwards is in ours alone",
        details={
            "p50 ms": median(result.p50_ms for result in results),
            "p99 ms": median(result.p99_ms for result in results),
            "ms of the server's processor for each, with its events": median(cpu),
            "s until all events of a round were handled": median(lags),
            "refused": float(sum(result.refused for result in results)),
        },
    )


async def _drained(there: Market) -> float:
    """Wait until all that was told has been handled, so that it weighs on nothing that comes next; give the seconds."""
    order = await asyncpg.connect(there.database_url("order"))
    kafka = await asyncpg.connect(there.database_url("kafka"))
    loop = asyncio.get_running_loop()
    began = changed = loop.time()
    handled = -1
    try:
        while loop.time() - changed < _QUIET and loop.time() - began < _PATIENCE:
            waiting = await order.fetchval("SELECT count(*) FROM outbox")
            now_handled = await kafka.fetchval("SELECT count(*) FROM inbox")
            if waiting or now_handled != handled:
                handled, changed = now_handled, loop.time()
            await asyncio.sleep(0.05)
    finally:
        await order.close()
        await kafka.close()
    return changed - began

"""Completed checkouts per second, compared with pgbench running the statements of a checkout."""

from statistics import median

from bench.inboxes import inboxes
from bench.load import LoadError
from bench.machine import cpu_seconds
from bench.market import Market, People
from bench.plan import Plan
from bench.report import Figure, Mark, compared
from bench.scratch import pgbench, scratch
from bench.shoppers import CLIENTS, Job, Result, shop
from nextbuy.host.secrets import installation_secret
from nextbuy.kit.config import Settings


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
            async with inboxes(target) as found:
                lag = await found.wait_until_quiet()
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

"""The time of a start on existing data, and the memory of all processes after the load."""

from pathlib import Path

from bench.machine import memory_of_tree
from bench.market import Market, market
from bench.plan import Plan
from bench.report import Figure, Mark


def memory(target: Market) -> Figure:
    """Measure the memory of a marketplace and its engines."""
    found = memory_of_tree(target.pid)
    return Figure(
        name="memory of everything",
        unit="MiB",
        judged_unit="MiB",
        ours=[sum(found.values())],
        values=[sum(found.values())],
        mark=Mark("at most", 400),
        mix="the proportional set size (PSS) of the whole process tree, engines included, after all of the load above",
        details={f"{name} MiB": round(mib, 1) for name, mib in sorted(found.items(), key=lambda pair: -pair[1])},
    )


async def start(data: Path, plan: Plan) -> Figure:
    """Measure starts on the folder of this run."""
    taken = []
    for _ in range(plan.starts):
        async with market(data) as target:
            taken.append(target.ready_after)
    return Figure(
        name="ready after start",
        unit="s",
        judged_unit="s",
        ours=taken,
        values=taken,
        mark=Mark("at most", 3),
        mix="from `python -m nextbuy up` until GET /health/ready is 200, on the data of this run",
    )

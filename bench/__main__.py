"""Measure every figure (`make bench`), print them as a table, and write them as JSON."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop

from bench.catalogue import put_in
from bench.figures.checkouts import checkouts
from bench.figures.deliveries import deliveries
from bench.figures.events import events
from bench.figures.internal_call import internal_call
from bench.figures.pages import pages
from bench.figures.pipeline import pipeline
from bench.figures.reads import reads
from bench.figures.rebuild import rebuild
from bench.figures.start import memory, start
from bench.load import LoadError, generator
from bench.machine import described
from bench.market import Market, People, market, settle_people
from bench.plan import QUICK, WHOLE, Plan
from bench.programs import ProgramError
from bench.report import Figure, as_json, notes, table

GROUPS: Final = (
    "reads",
    "pages",
    "checkouts",
    "calls",
    "events",
    "memory",
    "pipeline",
    "deliveries",
    "rebuild",
    "start",
)
Measure = Callable[[], Awaitable[list[Figure]]]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--json", type=Path, default=Path("var/bench.json"), help="write the figures to this file (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, in a few minutes")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="measure only some figures")
    return parser.parse_args(arguments)


async def _measure(data: Path, plan: Plan, only: set[str]) -> list[Figure]:
    found: list[Figure] = []
    async with market(data) as target:
        people = await settle_people(target)
        await put_in(target.database_url("product"), people.shops, plan.products)
        for group, measure in _groups(target, people, plan).items():
            if group in only:
                started = time.perf_counter()
                found += await measure()
                _say(f"  {group}: {time.perf_counter() - started:.0f} s")
    if "start" in only:
        found.append(await start(data, plan))
    return found


def _groups(target: Market, people: People, plan: Plan) -> dict[str, Measure]:
    async def one(measured: Awaitable[Figure]) -> list[Figure]:
        return [await measured]

    async def measure_memory() -> list[Figure]:
        return [memory(target)]

    return {
        "reads": lambda: reads(target, plan),
        "pages": lambda: pages(target, plan),
        "checkouts": lambda: one(checkouts(target, people, plan)),
        "calls": lambda: internal_call(target, plan),
        "events": lambda: one(events(target, people, plan)),
        # Before the engines contain more than a shop would.
        "memory": measure_memory,
        "pipeline": lambda: pipeline(target, plan),
        "deliveries": lambda: one(deliveries(target, plan)),
        "rebuild": lambda: one(rebuild(target, plan)),
    }


def main(arguments: list[str]) -> int:
    """Measure; fail if a figure could not be measured, but not if it misses its mark."""
    options = _parse(arguments)
    machine = described() | {"load_by": generator()}
    _say("; ".join(f"{name} {value}" for name, value in machine.items()))
    started = time.perf_counter()
    # A short path, since the engines put sockets below it.
    folder = Path(tempfile.mkdtemp(prefix="nb-bench-"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_measure(folder / "data", QUICK if options.quick else WHOLE, set(options.only)))
    except (ProgramError, LoadError, OSError) as error:
        _say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.perf_counter() - started
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_bytes(as_json(figures, machine, seconds=seconds))
    _say(f"\n{table(figures)}\n\n{notes(figures)}\n\n{seconds:.0f} s; figures in {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

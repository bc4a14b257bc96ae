"""`make bench`: measures every figure, prints them as a table, and writes them as JSON."""

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
from bench.figures.events import events
from bench.figures.internal_call import internal_call
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

GROUPS: Final = ("reads", "checkouts", "calls", "events", "memory", "pipeline", "rebuild", "start")
Measure = Callable[[], Awaitable[list[Figure]]]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--json", type=Path, default=Path("var/bench.json"), help="where the figures are written (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: under a minute")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="measure only some figures")
    return parser.parse_args(arguments)


async def _measure(data: Path, plan: Plan, only: set[str]) -> list[Figure]:
    found: list[Figure] = []
    async with market(data) as there:
        people = await settle_people(there)
        await put_in(there.database_url("product"), people.shops, plan.products)
        for group, measure in _groups(there, people, plan).items():
            if group in only:
                began = time.perf_counter()
                found += await measure()
                _say(f"  {group}: {time.perf_counter() - began:.0f} s")
    if "start" in only:
        found.append(await start(data, plan))
    return found


def _groups(there: Market, people: People, plan: Plan) -> dict[str, Measure]:
    async def one(measured: Awaitable[Figure]) -> list[Figure]:
        return [await measured]

    async def taken() -> list[Figure]:
        return [memory(there)]

    return {
        "reads": lambda: reads(there, plan),
        "checkouts": lambda: one(checkouts(there, people, plan)),
        "calls": lambda: internal_call(there, plan),
        "events": lambda: one(events(there, people, plan)),
        # Before the engines are filled with what no shop has in them.
        "memory": taken,
        "pipeline": lambda: pipeline(there, plan),
        "rebuild": lambda: one(rebuild(there, plan)),
    }


def main(arguments: list[str]) -> int:
    """Run, and say with the exit code whether every figure was measured (not whether it reaches its mark)."""
    asked = _asked(arguments)
    machine = described() | {"load_by": generator()}
    _say("; ".join(f"{name} {value}" for name, value in machine.items()))
    began = time.perf_counter()
    # A short path: a socket of an engine is in it.
    folder = Path(tempfile.mkdtemp(prefix="nb-bench-"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_measure(folder / "data", QUICK if asked.quick else WHOLE, set(asked.only)))
    except (ProgramError, LoadError, OSError) as error:
        _say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.perf_counter() - began
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_bytes(as_json(figures, machine, seconds=seconds))
    _say(f"\n{table(figures)}\n\n{notes(figures)}\n\n{seconds:.0f} s; figures in {asked.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

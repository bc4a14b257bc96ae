"""`nextbuy events projections` and `rebuild`: figures made of events, and made again of the event logs."""

import asyncio
import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nextbuy.cli.common import fail, with_data, with_database
from nextbuy.kafka.store.rebuilds import Rebuild
from nextbuy.kit.storage.database import Database

SERVICE: Final = "kafka"
RUNS: Final = ("asked", "reading")
"""States of a rebuild that somebody waits for."""
LOOK: Final = 0.3
"""Seconds between looks at a rebuild."""
SILENCE: Final = 40.0
"""Seconds without progress after which nobody seems to work on it: four leases, as who died holds it for one more."""


@click.command()
@with_data
def projections(data: Path | None) -> None:
    """List the figures that are made of events, and their last rebuilds."""
    from nextbuy.kafka.store import projections as rows
    from nextbuy.kafka.store import rebuilds

    async def read(database: Database) -> list[str]:
        last = await rebuilds.latest(database)
        lines = []
        for one in await rows.standing(database):
            rebuild = last.get(one.name)
            told = (
                f"last rebuild: {_state(rebuild)}"
                if rebuild
                else "never rebuilt, and made of what came since its start"
            )
            lines.append(f"{one.name:<16} generation {one.generation:<4} {one.events:>10} events   {told}")
        return lines

    for line in with_database(data, SERVICE, read):
        click.echo(line)


@click.command()
@click.argument("name")
@with_data
def rebuild(data: Path | None, name: str) -> None:
    """Make the figures of NAME again of the event logs, while the shop runs; the kafka service does it."""
    with_database(data, SERVICE, lambda database: _rebuild(database, name))


def _state(rebuild: Rebuild) -> str:
    return f"{rebuild.state}, {rebuild.events} events" + (f" ({rebuild.error})" if rebuild.error else "")


async def _rebuild(database: Database, name: str) -> None:
    from nextbuy.kafka.audit_log import at_the_terminal
    from nextbuy.kafka.projections.rebuild_requests import request_rebuild

    async with database.transaction() as tx:
        asked = await request_rebuild(tx, name, asked_by=at_the_terminal())
    began = time.monotonic()
    done = await _followed(database, asked)
    if done.error:
        fail(f"{name} could not be rebuilt, and is as it was: {done.error}")
    seconds = time.monotonic() - began
    click.echo(f"{name} is rebuilt: generation {done.generation}, {done.events} events in {seconds:.1f} s.")


async def _followed(database: Database, run: Rebuild) -> Rebuild:
    """Wait for a rebuild's end and show how far it is; where nobody works on it, say so and end the command."""
    from nextbuy.kafka.store import rebuilds

    heard, before = time.monotonic(), run
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(highlight=False, markup=False)) as progress:
        bar = progress.add_task("asked", total=None)
        # Then the figures are there, or given up; what the others leave is taken out without anybody's waiting for it.
        while run.state in RUNS:
            await asyncio.sleep(LOOK)
            run = await rebuilds.read(database, run.id)
            read, of = rebuilds.progress(run.sources)
            progress.update(
                bar, description=run.state if run.state in RUNS else "ended", completed=read, total=of or None
            )
            if run != before:
                heard, before = time.monotonic(), run
            if time.monotonic() - heard > SILENCE:
                if run.state == "asked":
                    fail("No kafka service has begun it; it is asked for, and begins as soon as one runs.")
                fail(f"{run.events} events are read, and it does not go on: does the kafka service run?")
    return run

"""`nextbuy events projections` and `nextbuy events rebuild NAME`: list and rebuild tables computed from events."""

import asyncio
import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nextbuy.analytics.store.rebuilds import Rebuild
from nextbuy.cli.common import fail, with_data, with_database
from nextbuy.kit.storage.database import Database

SERVICE: Final = "analytics"
RUNNING: Final = ("requested", "reading")
"""States of a rebuild before its figures are complete."""
POLL_INTERVAL: Final = 0.3
"""Seconds between two reads of a rebuild's progress."""
PROGRESS_TIMEOUT: Final = 40.0
"""Seconds without progress after which `rebuild` stops waiting. Longer than the lease of a crashed process."""


@click.command()
@with_data
def projections(data: Path | None) -> None:
    """List projections with their current generation, its number of events, and their last rebuild."""
    from nextbuy.analytics.store import projections as rows
    from nextbuy.analytics.store import rebuilds

    async def read(database: Database) -> list[str]:
        last = await rebuilds.latest(database)
        lines = []
        for projection in await rows.summaries(database):
            rebuild = last.get(projection.name)
            state = f"last rebuild: {_state(rebuild)}" if rebuild else "never rebuilt (live events only)"
            lines.append(
                f"{projection.name:<16} generation {projection.generation:<4} {projection.events:>10} events   {state}"
            )
        return lines

    for line in with_database(data, SERVICE, read):
        click.echo(line)


@click.command()
@click.argument("name")
@with_data
def rebuild(data: Path | None, name: str) -> None:
    """Rebuild projection NAME from the event logs.

    The marketplace keeps running, and the old figures stay in use until the new ones are complete.
    """
    with_database(data, SERVICE, lambda database: _rebuild(database, name))


def _state(rebuild: Rebuild) -> str:
    return f"{rebuild.state}, {rebuild.events} events" + (f" ({rebuild.error})" if rebuild.error else "")


async def _rebuild(database: Database, name: str) -> None:
    from nextbuy.analytics.rebuild_requests import request_rebuild
    from nextbuy.kit.audit_log import terminal_actor

    async with database.transaction() as tx:
        requested = await request_rebuild(tx, name, requested_by=terminal_actor())
    started = time.monotonic()
    ended = await _wait_for(database, requested)
    if ended.error:
        fail(f"Rebuild of {name} failed; the old figures stay in use: {ended.error}")
    seconds = time.monotonic() - started
    click.echo(f"Rebuilt {name}: generation {ended.generation}, {ended.events} events in {seconds:.1f} s.")


async def _wait_for(database: Database, run: Rebuild) -> Rebuild:
    from nextbuy.analytics.store import rebuilds

    progressed_at, before = time.monotonic(), run
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(highlight=False, markup=False)) as progress:
        bar = progress.add_task("Rebuilding", total=None)
        while run.state in RUNNING:
            await asyncio.sleep(POLL_INTERVAL)
            run = await rebuilds.get_rebuild(database, run.id)
            events_read, events_total = rebuilds.progress(run.event_logs)
            progress.update(bar, completed=events_read, total=events_total or None)
            if run != before:
                progressed_at, before = time.monotonic(), run
            if time.monotonic() - progressed_at > PROGRESS_TIMEOUT:
                if run.state == "requested":
                    fail(f"The rebuild of {run.name} is requested. It starts when the analytics service runs.")
                stopped = f"The rebuild of {run.name} stopped at {run.events} events"
                fail(f"{stopped}; no progress for {PROGRESS_TIMEOUT:.0f} s. Is the analytics service running?")
    return run

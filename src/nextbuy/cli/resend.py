"""`nextbuy events resend`: deliver events from the event logs again."""

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nextbuy.cli.common import fail, parse_time, with_data, with_database
from nextbuy.contracts.comparison import EventSelection
from nextbuy.contracts.registry import EVENTS, SUBSCRIBERS
from nextbuy.kafka.resends.resend_requests import LEASES, Resend, get_resend, request_resend
from nextbuy.kit.storage.database import Database

SERVICE: Final = "kafka"
POLL_INTERVAL: Final = 0.3
"""Seconds between two reads of a resend's progress."""
PROGRESS_TIMEOUT: Final = int(LEASES.seconds) + 15
"""Seconds without progress after which `resend` stops waiting. Longer than the lease of a crashed process."""
_TOPICS: Final = sorted(event.topic for event in EVENTS)


@click.command()
@click.argument("event_id", metavar="[EVENT_ID]", type=click.UUID, required=False)
@click.option("--topic", "topics", metavar="NAME", type=click.Choice(_TOPICS), multiple=True, help="Only this topic.")
@click.option("--key", metavar="ID", help="Only events with this key: the order, product or other row they are about.")
@click.option("--since", metavar="TIME", type=parse_time, help="Published at this time or later (UTC).")
@click.option("--until", metavar="TIME", type=parse_time, help="Published before this time. Default: now.")
@click.option("--destination", metavar="SERVICE", type=click.Choice(SUBSCRIBERS), help="Only to this service.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.IntRange(0),
    default=PROGRESS_TIMEOUT,
    show_default=True,
    help="Stop waiting after this time without progress.",
)
@with_data
def resend(  # noqa: PLR0913, PLR0917  the options
    data: Path | None,
    event_id: UUID | None,
    topics: tuple[str, ...],
    key: str | None,
    since: datetime | None,
    until: datetime | None,
    destination: str | None,
    timeout: int,
) -> None:
    """Deliver events from the event logs again, one by its ID or every match.

    Services drop events that they have already applied. New events are delivered first.
    """
    selection = EventSelection(
        topics=list(topics) or None,
        key=key,
        since=since,
        until=until,
        event_ids=None if event_id is None else [event_id],
    )
    if selection == EventSelection() and destination is None:
        fail("Choose events by ID, --topic, --key, --since, --until or --destination.")
    if event_id is not None and (topics or key or since or until):
        fail("An event ID selects one event. Remove --topic, --key, --since and --until.")
    with_database(data, SERVICE, lambda database: _resend(database, selection, destination or "", timeout))


async def _resend(database: Database, selection: EventSelection, destination: str, timeout: int) -> None:
    from nextbuy.kit.audit_log import terminal_actor

    async with database.transaction() as tx:
        requested = await request_resend(tx, terminal_actor(), selection, destination)
    ended = await _wait_for(database, requested, timeout)
    if ended.blocked_by:
        fail(f"{ended.events} events delivered; the resend failed: {ended.blocked_by}")
    click.echo(f"{ended.events} events delivered." if ended.events else "No events match.")


async def _wait_for(database: Database, run: Resend, timeout: int) -> Resend:
    progressed_at, before = time.monotonic(), run
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(highlight=False, markup=False)) as progress:
        bar = progress.add_task("Resending", total=None)
        while run.finished_at is None:
            await asyncio.sleep(POLL_INTERVAL)
            run = await get_resend(database, run.id)
            started = [log for log in run.event_logs if log.last >= 0]
            total = sum(log.last for log in started)
            progress.update(bar, completed=sum(log.position for log in started), total=total or None)
            if run.event_logs != before.event_logs or run.finished_at is not None:
                progressed_at, before = time.monotonic(), run
            if time.monotonic() - progressed_at > timeout:
                hint = f"Waiting for: {run.blocked_by}" if run.blocked_by else "Is the kafka service running?"
                fail(f"{run.events} events delivered; no progress for {timeout} s. {hint}")
    return run

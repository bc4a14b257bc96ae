"""`nextbuy events …`: dead letters, replays, resends, rebuilds, restores and the audit log.

The commands in this file use the kafka service's database, whether or not the marketplace runs. Replays, resends and
rebuilds are only requested here; they start when the services run.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args
from uuid import UUID

import click
import msgspec
from msgspec import UNSET
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nextbuy.cli.common import Command, fail, parse_time, with_data, with_database
from nextbuy.cli.projections import SERVICE as ANALYTICS
from nextbuy.cli.projections import projections, rebuild
from nextbuy.cli.resend import resend
from nextbuy.cli.restore import restore
from nextbuy.contracts.text import clean_lines
from nextbuy.contracts.values import PAGE_LIMIT
from nextbuy.kafka.dead_letters.replay_requests import LEASES, Replay, get_replay
from nextbuy.kafka.dead_letters.store import DeadLetter, Filter, Status, get_dead_letter, list_dead_letters
from nextbuy.kit.clock import utc_now
from nextbuy.kit.field_messages import field_error
from nextbuy.kit.storage.database import Database

SERVICE: Final = "kafka"
POLL_INTERVAL: Final = 0.3
"""Seconds between two reads of a replay's progress."""
PROGRESS_TIMEOUT: Final = int(LEASES.seconds) + 15
"""Seconds without progress after which `replay` stops waiting. Longer than the lease of a crashed process."""
MAX_REASON: Final = 500
"""Characters of a reason for discarding, as in the API."""


def _with_filter(command: Command) -> Command:
    since = "Failed at this time or later (UTC), like 2026-11-30 or 2026-11-30T08:15:00."
    for option in (
        click.option("--until", metavar="TIME", type=parse_time, help="Failed before this time, in the same form."),
        click.option("--since", metavar="TIME", type=parse_time, help=since),
        click.option("--type", "event_type", metavar="TYPE", help="Only this event type."),
        click.option("--reason", metavar="TEXT", help="Only reasons starting with TEXT."),
        click.option("--subscription", metavar="NAME", help="Only this subscription; '' for none."),
        click.option("--topic", metavar="NAME", help="Only this topic."),
    ):
        command = option(command)
    return command


def _with_page(command: Command) -> Command:
    command = click.option("--cursor", help="Continue after the previous page.")(command)
    limit = click.IntRange(1, PAGE_LIMIT)
    return click.option("--limit", type=limit, default=20, show_default=True, help="Entries per page.")(command)


def _filter_of(options: dict[str, Any]) -> Filter:
    fields = {name: value for name, value in options.items() if value is not None}
    try:
        return msgspec.convert(fields, Filter)
    except msgspec.ValidationError as error:
        invalid = field_error(error, Filter)
        fail(f"{invalid.field}: {invalid.message}")


@click.group()
def events() -> None:
    """Manage dead letters, replays, resends, projections and restores; show the audit log."""


@events.command("dead-letters")
@click.option("--status", type=click.Choice(get_args(Status)), help="Only this status.")
@_with_filter
@_with_page
@with_data
def dead_letters(data: Path | None, status: Status | None, limit: int, cursor: str | None, **options: object) -> None:
    """List dead letters: events that could not be published or processed.

    Newest first, two lines each: id, time (UTC), status, topic and subscription; then the reason.
    """
    only = _filter_of(options)
    page = with_database(
        data, SERVICE, lambda database: list_dead_letters(database, limit, cursor, status=status, only=only)
    )
    if not page.items:
        click.echo("No dead letters match.")
        return
    for letter in page.items:
        failed_at = f"{letter.failed_at:%Y-%m-%d %H:%M:%S}"
        origin = f"(not published by {letter.publisher})" if letter.publisher else "(undecodable)"
        row = (str(letter.id), failed_at, f"{letter.status:<9}", letter.topic, letter.subscription or origin)
        click.echo(_printable("  ".join(row)))
        click.echo(f"    {_printable(letter.reason)}")
    _print_next_page(page.next_cursor)


@events.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@with_data
def show(data: Path | None, letter_id: UUID) -> None:
    """Print a dead letter as JSON, with its event and its errors."""
    letter = with_database(data, SERVICE, lambda database: get_dead_letter(database, letter_id))
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(letter), indent=2).decode() + "\n")


@events.command()
@click.argument("letter_id", metavar="[ID]", type=click.UUID, required=False)
@_with_filter
@click.option("--all", "every", is_flag=True, help="All waiting dead letters.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.IntRange(0),
    default=PROGRESS_TIMEOUT,
    show_default=True,
    help="Stop waiting after this time without progress.",
)
@with_data
def replay(data: Path | None, letter_id: UUID | None, *, every: bool, timeout: int, **options: object) -> None:
    """Replay dead letters by ID, by a filter, or all.

    Exits with status 1 if any of them fails again.
    """
    only = _filter_of(options)
    if sum([letter_id is not None, only != Filter(), every]) != 1:
        fail("Choose dead letters by ID, by a filter, or with --all (exactly one of these).")
    if letter_id is not None:
        with_database(data, SERVICE, lambda database: _replay_one(database, letter_id, timeout))
        return
    if only.until is UNSET:
        # A dead letter that fails again during this replay must not match again.
        only = msgspec.convert({**msgspec.to_builtins(only), "until": utc_now().isoformat()}, Filter)
    with_database(data, SERVICE, lambda database: _replay_matching(database, only, timeout))


@events.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@click.option("--reason", metavar="TEXT", required=True, help="Reason, recorded in the audit log.")
@with_data
def discard(data: Path | None, letter_id: UUID, reason: str) -> None:
    """Discard a dead letter: it will never be processed."""
    from nextbuy.kafka.dead_letters import operations
    from nextbuy.kit.audit_log import terminal_actor

    try:
        reason = clean_lines(reason)
    except ValueError as error:
        fail(str(error))
    if not 1 <= len(reason) <= MAX_REASON:
        fail(f"The reason must have 1 to {MAX_REASON} characters.")

    async def act(database: Database) -> DeadLetter:
        async with database.transaction() as tx:
            return await operations.discard(tx, terminal_actor(), letter_id, reason)

    letter = with_database(data, SERVICE, act)
    click.echo(f"Discarded dead letter {letter.id}.")


@events.command()
@click.option(
    "--service",
    type=click.Choice([SERVICE, ANALYTICS]),
    default=SERVICE,
    show_default=True,
    help="Service whose audit log is listed.",
)
@_with_page
@with_data
def audit(data: Path | None, service: str, limit: int, cursor: str | None) -> None:
    """List operators' actions, newest first: dead letters in kafka, rebuilds in analytics.

    Columns: time (UTC), operator, action, subject, details.
    """
    from nextbuy.kit.audit_log import list_entries

    page = with_database(data, service, lambda database: list_entries(database, service, limit, cursor))
    for entry in page.items:
        details = msgspec.json.encode(entry.details).decode()
        click.echo(f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor}  {entry.action}  {entry.subject}  {details}")
    if not page.items:
        click.echo("No actions are recorded.")
    _print_next_page(page.next_cursor)


events.add_command(projections)
events.add_command(rebuild)
events.add_command(restore)
events.add_command(resend)


def _print_next_page(cursor: str | None) -> None:
    if cursor:
        click.echo(f"Next page: --cursor {cursor}")


async def _replay_one(database: Database, letter_id: UUID, timeout: int) -> None:
    from nextbuy.kafka.dead_letters import operations
    from nextbuy.kit.audit_log import terminal_actor

    async with database.transaction() as tx:
        letter = await operations.replay(tx, terminal_actor(), letter_id)
    deadline = time.monotonic() + timeout
    while letter.status == "replaying":
        if time.monotonic() > deadline:
            fail(f"Dead letter {letter_id} was not replayed within {timeout} s. Is the kafka service running?")
        await asyncio.sleep(POLL_INTERVAL)
        letter = await get_dead_letter(database, letter_id)
    if letter.status != "replayed":
        fail(f"Dead letter {letter_id} failed again: {_printable(letter.reason)}")
    click.echo(f"Replayed dead letter {letter_id}.")


async def _replay_matching(database: Database, only: Filter, timeout: int) -> None:
    from nextbuy.kafka.dead_letters import operations
    from nextbuy.kit.audit_log import terminal_actor

    done = failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(highlight=False, markup=False)) as progress:
        bar = progress.add_task("Replaying", total=None)
        while True:
            async with database.transaction() as tx:
                run = await operations.replay_matching(tx, terminal_actor(), only)
            before = done + failed
            progress.update(bar, total=before + run.total + run.over_limit)
            run = await _wait_for(
                database,
                run,
                timeout,
                lambda run: progress.update(bar, completed=before + run.done + run.failed),  # noqa: B023
            )
            done, failed = done + run.done, failed + run.failed
            if not run.total or not run.over_limit:
                break
    if not done + failed:
        click.echo("No waiting dead letters match.")
        return
    click.echo(f"{done} replayed, {failed} failed again.")
    if failed:
        sys.exit(1)


async def _wait_for(database: Database, run: Replay, timeout: int, report: Callable[[Replay], None]) -> Replay:
    progressed_at, processed = time.monotonic(), 0
    while run.finished_at is None:
        await asyncio.sleep(POLL_INTERVAL)
        run = await get_replay(database, run.id)
        report(run)
        if run.done + run.failed > processed:
            progressed_at, processed = time.monotonic(), run.done + run.failed
        if time.monotonic() - progressed_at > timeout:
            hint = f"Waiting for: {run.blocked_by}" if run.blocked_by else "Is the kafka service running?"
            fail(f"{processed} of {run.total} replayed; no progress for {timeout} s. {hint}")
    return run


def _printable(text: str) -> str:
    """Replace control characters, which a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)

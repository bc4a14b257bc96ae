"""`nextbuy events …`: events that could not be applied, and what an operator does about them.

Each command works on the kafka service's database, beside a running marketplace or without one; what is asked to be
replayed is run by the kafka service.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args
from uuid import UUID

import click
import msgspec
from msgspec import UNSET
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nextbuy.cli.common import Command, fail, with_data, with_database
from nextbuy.cli.projections import projections, rebuild
from nextbuy.contracts.values import PAGE_LIMIT
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.dead_letters.replays import LEASE, Replay, replay_of
from nextbuy.kit.events.dead_letters.store import DeadLetter, Filter, Status, page, whole
from nextbuy.kit.storage.database import Database

SERVICE: Final = "kafka"
LOOK: Final = 0.3
"""Seconds between looks at a replay."""
SILENCE: Final = LEASE + 15.0
"""Seconds without progress after which nobody seems to work on a replay; who died holds its letters for a lease."""
_TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def _filtered(command: Command) -> Command:
    for option in (
        click.option("--until", type=click.DateTime(_TIMES), help="That failed before this time (UTC)."),
        click.option("--since", type=click.DateTime(_TIMES), help="That failed at this time (UTC) or later."),
        click.option("--type", "event_type", help="Of this type of event."),
        click.option("--reason", help="Whose reason begins with this."),
        click.option("--handler", help="Of this handler; '' for events that could not be read."),
        click.option("--topic", help="Of this topic."),
    ):
        command = option(command)
    return command


def _filter(given: dict[str, Any]) -> Filter:
    """Return the filter that was typed."""
    named = {name: value for name, value in given.items() if value is not None}
    for name in ("since", "until"):
        moment: datetime | None = named.get(name)
        if moment is not None and moment.tzinfo is None:
            named[name] = moment.isoformat() + "Z"
    try:
        return msgspec.convert(named, Filter)
    except msgspec.ValidationError as error:
        fail(str(error))


@click.group()
def events() -> None:
    """Dead letters, replays and rebuilds, beside a running marketplace or without one."""


@events.command("dead-letters")
@click.option("--status", type=click.Choice(get_args(Status)), help="In this state (any).")
@_filtered
@click.option("--limit", type=click.IntRange(1, PAGE_LIMIT), default=20, help="How many, the latest first (20).")
@click.option("--cursor", help="Where the last list ended.")
@with_data
def dead_letters(data: Path | None, status: Status | None, limit: int, cursor: str | None, **given: object) -> None:
    """List the events that could not be applied, with the times (UTC) and the reasons."""
    only = _filter(given)
    found = with_database(data, SERVICE, lambda db: page(db, limit, cursor, status=status, only=only))
    if not found.items:
        click.echo("There is none.")
        return
    for letter in found.items:
        when = f"{letter.failed_at:%Y-%m-%d %H:%M:%S}"
        row = (str(letter.id), when, f"{letter.status:<9}", letter.topic, letter.handler or "not readable")
        click.echo(_plain("  ".join(row)))
        click.echo(f"    {_plain(letter.reason)}")
    if found.next_cursor:
        click.echo(f"More with --cursor {found.next_cursor}")


@events.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@with_data
def show(data: Path | None, letter_id: UUID) -> None:
    """Show one dead letter, whole."""
    letter = with_database(data, SERVICE, lambda db: whole(db, letter_id))
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(letter), indent=2).decode() + "\n")


@events.command()
@click.argument("letter_id", metavar="[ID]", type=click.UUID, required=False)
@_filtered
@click.option("--all", "every", is_flag=True, help="All that wait.")
@with_data
def replay(data: Path | None, letter_id: UUID | None, *, every: bool, **given: object) -> None:
    """Have dead letters tried again: the one of this ID, those that a filter names, or --all that wait."""
    only = _filter(given)
    if sum([letter_id is not None, only != Filter(), every]) != 1:
        fail("name one dead letter by its ID, or some by a filter, or say --all.")
    if letter_id is not None:
        with_database(data, SERVICE, lambda db: _replay_one(db, letter_id))
        return
    if only.until is UNSET:
        # What fails again now is not taken a second time.
        only = msgspec.convert({**msgspec.to_builtins(only), "until": _now()}, Filter)
    with_database(data, SERVICE, lambda db: _replay_some(db, only))


@events.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@click.option("--reason", required=True, help="Why nobody needs it.")
@with_data
def discard(data: Path | None, letter_id: UUID, reason: str) -> None:
    """Give one dead letter up for good."""
    from nextbuy.kafka.audit_log import at_the_terminal
    from nextbuy.kafka.dead_letters import operations as dead_letter_acts

    reason = reason.strip()
    if not 1 <= len(reason) <= 500 or "\0" in reason:  # noqa: PLR2004  as the API has it
        fail("a reason has 1 to 500 characters.")

    async def act(database: Database) -> DeadLetter:
        async with database.transaction() as tx:
            return await dead_letter_acts.discard(tx, at_the_terminal(), letter_id, reason)

    letter = with_database(data, SERVICE, act)
    click.echo(f"{letter.id} is discarded.")


@events.command()
@click.option("--limit", type=click.IntRange(1, PAGE_LIMIT), default=20, help="How many, the latest first (20).")
@click.option("--cursor", help="Where the last list ended.")
@with_data
def audit(data: Path | None, limit: int, cursor: str | None) -> None:
    """List what operators did."""
    from nextbuy.kafka.audit_log import entries

    found = with_database(data, SERVICE, lambda db: entries(db, limit, cursor))
    for entry in found.items:
        details = msgspec.json.encode(entry.details).decode()
        click.echo(f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.who}  {entry.what}  {entry.subject}  {details}")
    if not found.items:
        click.echo("Nothing was done yet.")
    if found.next_cursor:
        click.echo(f"More with --cursor {found.next_cursor}")


events.add_command(projections)
events.add_command(rebuild)


async def _replay_one(database: Database, letter_id: UUID) -> None:
    from nextbuy.kafka.audit_log import at_the_terminal
    from nextbuy.kafka.dead_letters import operations as dead_letter_acts

    async with database.transaction() as tx:
        letter = await dead_letter_acts.replay(tx, at_the_terminal(), letter_id)
    ends = time.monotonic() + SILENCE
    while letter.status == "replaying":
        if time.monotonic() > ends:
            fail(f"{letter_id} is asked for, and not replayed yet: does the kafka service run?")
        await asyncio.sleep(LOOK)
        letter = await whole(database, letter_id)
    if letter.status != "replayed":
        fail(f"{letter_id} failed again: {_plain(letter.reason)}")
    click.echo(f"{letter_id} is applied.")


async def _replay_some(database: Database, only: Filter) -> None:
    """Replay what a filter names, one bounded replay after another, and say how it went."""
    from nextbuy.kafka.audit_log import at_the_terminal
    from nextbuy.kafka.dead_letters import operations as dead_letter_acts

    done = failed = 0
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_console()
    ) as progress:
        bar = progress.add_task("Replaying", total=None)
        while True:
            async with database.transaction() as tx:
                asked = await dead_letter_acts.replay_matching(tx, at_the_terminal(), only)
            before = done + failed
            progress.update(bar, total=before + asked.total + asked.beyond)
            asked = await _followed(
                database,
                asked,
                lambda run: progress.update(bar, completed=before + run.done + run.failed),  # noqa: B023
            )
            done, failed = done + asked.done, failed + asked.failed
            if not asked.total or not asked.beyond:
                break
    click.echo(f"{done} applied, {failed} failed again.")
    if failed:
        sys.exit(1)


async def _followed(database: Database, run: Replay, tell: Callable[[Replay], None]) -> Replay:
    """Wait for a replay's end, telling how far it has come; where nobody works on it, say so and end the command."""
    heard, so_far = time.monotonic(), 0
    while run.finished_at is None:
        await asyncio.sleep(LOOK)
        run = await replay_of(database, run.id)
        tell(run)
        if run.done + run.failed > so_far:
            heard, so_far = time.monotonic(), run.done + run.failed
        if time.monotonic() - heard > SILENCE:
            why = f"it waits for this: {run.waits_for}" if run.waits_for else "does the kafka service run?"
            fail(f"{so_far} of {run.total} are replayed, the others are asked for and do not go on; {why}")
    return run


def _console() -> Console:
    return Console(highlight=False, markup=False)


def _plain(text: str) -> str:
    """Return text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _now() -> str:
    return utc_now().isoformat()

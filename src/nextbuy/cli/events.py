"""`nextbuy events …`: what became of events, and what an operator does about it."""

from pathlib import Path

import click

from nextbuy.cli.common import with_data, with_database
from nextbuy.contracts.values import Page
from nextbuy.kit.database import Database
from nextbuy.kit.dead_letters import DeadLetter, page


@click.group()
def events() -> None:
    """Dead letters and replays, beside a running marketplace or without one."""


@events.command("dead-letters")
@click.option("--limit", type=click.IntRange(1, 100), default=20, help="How many, the latest first (20).")
@with_data
def dead_letters(data: Path | None, limit: int) -> None:
    """List the events that could not be applied."""

    async def read(database: Database) -> Page[DeadLetter]:
        return await page(database, limit)

    for letter in with_database(data, "kafka", read).items:
        click.echo(f"{letter.id}  {letter.failed_at:%Y-%m-%d %H:%M:%S}  {letter.topic:<20} {letter.reason}")

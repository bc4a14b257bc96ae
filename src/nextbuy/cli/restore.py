"""`nextbuy events restore order`: restore the rows of sessions and orders from the event log."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nextbuy.cli.common import with_data, with_database
from nextbuy.kit.storage.database import Database

if TYPE_CHECKING:
    from nextbuy.order.restoration import Restored, RestoredPage

MAX_PRINTED: Final = 100
"""Differences that are printed; the others are only counted."""


@click.command()
@click.argument("service", type=click.Choice(["order"]))
@with_data
def restore(data: Path | None, service: str) -> None:
    """Restore lost rows of SERVICE from its event log.

    Inserts the rows of payment sessions, orders and unmatched payments that are missing. Existing rows stay as they
    are; the fields that differ from the log are printed, and the exit status is then 1. Stop the order service first:
    it refunds a payment if the row of its session is missing.
    """
    restored = with_database(data, service, _restore)
    added = restored.added
    click.echo(
        f"Compared {restored.compared}. Restored: {added['sessions']} sessions, {added['orders']} orders with"
        f" {added['order_lines']} lines, {added['unmatched_payments']} unmatched payments."
    )
    if restored.differences:
        number = "1 field differs" if restored.differences == 1 else f"{restored.differences} fields differ"
        hidden = max(restored.differences - MAX_PRINTED, 0)
        click.echo(f"{number} from the log" + (f"; {hidden} not shown." if hidden else "."))
        sys.exit(1)


async def _restore(database: Database) -> "Restored":
    from nextbuy.kit.audit_log import terminal_actor
    from nextbuy.order.restoration import restore_rows

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(highlight=False, markup=False)) as progress:
        bar = progress.add_task("Restoring", total=1.0)
        printed = 0

        def report(page: "RestoredPage", done: float) -> None:
            nonlocal printed
            progress.update(bar, completed=done)
            for one in page.differences[: MAX_PRINTED - printed]:
                progress.print(f"{one.row}: {one.field}: stored {one.stored}, logged {one.logged}", soft_wrap=True)
                printed += 1

        return await restore_rows(database, terminal_actor(), report)

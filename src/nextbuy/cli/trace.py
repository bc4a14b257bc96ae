"""`nextbuy trace ID`: the story of an order, a payment, an event or a request, over all services."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from msgspec.structs import replace

from nextbuy.cli.common import fail, settings_of, with_data, with_database
from nextbuy.cli.story_rows import clock_time, duration, plain, rows_of
from nextbuy.cli.story_summary import StoryContext, is_shared, summary
from nextbuy.cli.story_waits import MIN_WAIT
from nextbuy.kit.observability.interaction import Interaction
from nextbuy.kit.storage.database import Database

SERVICE: Final = "kafka"
_MAX_PURCHASES: Final = 10
"""Purchases that the story of an account or a product lists, the latest ones."""
_MAX_COLUMN: Final = 60
"""Characters. Longer descriptions shift the rest of their row."""


@click.command()
@click.argument("id_text", metavar="ID")
@with_data
def trace(id_text: str, data: Path | None) -> None:
    """Show the story of ID: each request, call and event in order of time, its duration, and why it failed.

    ID is the number of an order, or the id of an order, payment session, payment, event, mail, product, shop, account,
    request (X-Request-ID) or trace. Works whether or not the marketplace runs.
    """
    from nextbuy.host.composition import destinations
    from nextbuy.kafka.traces.story import find_story, normalise

    wanted = normalise(id_text)
    if not wanted:
        fail("The id is empty. Give an id, such as the number of an order.")
    context = StoryContext(wanted, now=time.time(), destinations=destinations())

    async def read(database: Database) -> tuple[list[Interaction], StoryContext]:
        story = await find_story(database, id_text)
        if not is_shared(story, wanted):
            return story, context
        latest = {some: None for one in reversed(story) if not one.is_untrusted for some in one.ids.get("session", ())}
        found = [await find_story(database, session) for session in list(latest)[:_MAX_PURCHASES]]
        return story, replace(context, purchases=found, more_purchases=max(0, len(latest) - _MAX_PURCHASES))

    story, context = with_database(data, SERVICE, read)
    if not story:
        days = settings_of(data=data).trace_days
        fail(
            f"No interactions found for {plain(id_text.strip())}. Check that the id is complete. Interactions appear a "
            f"few seconds after they happen and are deleted after {days:g} days (NEXTBUY_TRACE_DAYS)."
        )
    for line in story_lines(story, context):
        click.echo(line)


def story_lines(story: Sequence[Interaction], context: StoryContext) -> Iterator[str]:
    """Yield the lines of a story, whose interactions are in order of time."""
    rows = rows_of(story)
    yield from summary(story, context)
    yield ""
    participants_width = max(len(row.participants) for row in rows)
    description_width = min(_MAX_COLUMN, max(len(row.description) for row in rows))
    shared = is_shared(story, context.wanted)
    ended = rows[0].began
    for row in rows:
        if row.began - ended > MIN_WAIT and not shared:
            yield f"{'':12}  … {duration(row.began - ended)} without any interaction …"
        participants, description = row.participants.ljust(participants_width), row.description.ljust(description_width)
        yield f"{clock_time(row.began)}  {participants}  {description}  {row.outcome}".rstrip()
        ended = max(ended, row.ended)

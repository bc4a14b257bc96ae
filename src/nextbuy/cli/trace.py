"""`nextbuy trace ID`: what happened to an order, a payment, an event or a request, over all services."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from nextbuy.cli.common import fail, with_data, with_database
from nextbuy.kit.observability.interaction import Interaction

SERVICE: Final = "kafka"
_WAIT: Final = 1.0
"""Seconds without any interaction that are reported as a wait."""
_FIRST_ERROR: Final = 400
_KINDS: Final = ("number", "order", "session", "payment", "account", "product")
_MAX_IDS: Final = 5


@click.command()
@click.argument("id_text", metavar="ID")
@with_data
def trace(id_text: str, data: Path | None) -> None:
    """Tell the story of ID: what happened, in order of time, how long it took, and why it failed.

    ID is the number of an order, or the id of an order, payment session, payment, event, product, account, request
    (X-Request-ID) or trace. Works whether or not the marketplace runs.
    """
    from nextbuy.kafka.traces.story import find_story

    story = with_database(data, SERVICE, lambda database: find_story(database, id_text))
    if not story:
        fail(f"Nothing is known about {_plain(id_text)}. Check the id; traces are deleted after some days.")
    for line in story_lines(story):
        click.echo(line)


def story_lines(story: Sequence[Interaction]) -> Iterator[str]:
    """Yield the lines that tell a story, which is in order of time."""
    rows = _rows(story)
    yield from _summary(story, rows)
    yield ""
    width = max(len(_ends(one)) for one, _ in rows)
    named = max(len(_what(one)) for one, _ in rows)
    ended = rows[0][0].at
    for one, served in rows:
        if one.at - ended > _WAIT:
            yield f"{'':12}  … {_seconds(one.at - ended)} without any interaction …"
        yield f"{_time(one.at)}  {_ends(one):<{width}}  {_what(one):<{named}}  {_outcome(one, served)}".rstrip()
        ended = max(ended, one.at + one.ms / 1000)


Row = tuple[Interaction, Interaction | None]
"""An interaction, and the callee's own line of it if that has the same outcome."""


def _rows(story: Iterable[Interaction]) -> list[Row]:
    served = {(one.trace_id, one.span_id, one.callee): one for one in story if one.kind == "serve"}
    rows: list[Row] = []
    shown: set[int] = set()
    for one in story:
        if one.kind not in {"call", "forward"}:
            continue
        callee = served.get((one.trace_id, one.span_id, one.callee))
        same = callee is not None and callee.outcome == one.outcome
        rows.append((one, callee if same else None))
        if same:
            shown.add(id(callee))
    rows += [(one, None) for one in story if one.kind not in {"call", "forward"} and id(one) not in shown]
    return sorted(rows, key=lambda row: row[0].at)


def _summary(story: Sequence[Interaction], rows: Sequence[Row]) -> Iterator[str]:
    for kind in _KINDS:
        found = list(dict.fromkeys(some for one in story for some in one.ids.get(kind, ())))
        if found:
            more = f" and {len(found) - _MAX_IDS} more" if len(found) > _MAX_IDS else ""
            yield f"{kind.capitalize() + ':':<10}{_plain(', '.join(found[:_MAX_IDS]))}{more}"
    first, last = story[0].at, max(one.at + one.ms / 1000 for one in story)
    began = datetime.fromtimestamp(first, UTC)
    yield f"{'Began:':<10}{began:%Y-%m-%d %H:%M:%S} UTC; {_count(rows)} in {_seconds(last - first)}"
    published = [f"{_plain(one.name)}{_because(one)}" for one in story if one.kind == "publish"]
    if published:
        yield f"{'Events:':<10}{', '.join(dict.fromkeys(published))}"
    failures = [f"{_time(one.at)} {_ends(one)} {_what(one)}: {_failure(one)}" for one, _ in rows if _failed(one)] or [
        "none"
    ]
    yield f"{'Failures:':<10}{failures[0]}"
    yield from (f"{'':10}{failure}" for failure in failures[1:])
    waits = list(_waits(rows)) or [f"never for more than {_WAIT:g} s"]
    yield f"{'Waited:':<10}{waits[0]}"
    yield from (f"{'':10}{wait}" for wait in waits[1:])


def _count(rows: Sequence[Row]) -> str:
    return f"{len(rows)} interaction{'' if len(rows) == 1 else 's'}"


def _waits(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the pauses between interactions, then the slow interactions that wait for no other slow one."""
    before, ended = rows[0][0], rows[0][0].at
    for one, _ in rows:
        if one.at - ended > _WAIT:
            yield (
                f"{_seconds(one.at - ended)} between {_time(ended)} ({_what(before)}) and {_time(one.at)} "
                f"({_ends(one)}, {_what(one)})"
            )
        if one.at + one.ms / 1000 >= ended:
            before, ended = one, one.at + one.ms / 1000
    slow = [one for one, _ in rows if one.ms >= _WAIT * 1000]
    for one in slow:
        if not any(inner.caller == one.callee and one.at <= inner.at <= one.at + one.ms / 1000 for inner in slow):
            yield f"{_seconds(one.ms / 1000)} at {_time(one.at)} for {_ends(one)} {_what(one)}"


def _ends(one: Interaction) -> str:
    return _plain(one.caller if one.caller == one.callee else f"{one.caller} → {one.callee}")


def _what(one: Interaction) -> str:
    match one.kind:
        case "publish":
            text = f"event {one.name}"
        case "consume":
            text = f"event {one.name} for {', '.join(one.subscriptions)}"
        case "step":
            text = f"{one.name}: {one.outcome}"
        case "webhook":
            text = f"webhook {one.name}"
        case "serve":
            text = f"{one.name} (in {one.callee})"
        case _:
            text = one.name
    return _plain(text) + (f" (attempt {one.attempt})" if one.attempt > 1 else "")


def _outcome(one: Interaction, served: Interaction | None) -> str:
    if one.kind == "step":
        return ""
    took = f"{one.ms:.1f} ms"
    if served is not None:
        took += f" ({served.ms:.1f} in {_plain(one.callee)})"
    if one.carrier:
        took += f" over {_plain(one.carrier)}"
    if _failed(one):
        return f"{took}  FAILED {_failure(one)}"
    status = f"{one.status} " if one.status else ""
    return f"{took}  {status}{_plain(one.outcome)}{_because(one)}"


def _failed(one: Interaction) -> bool:
    return one.kind != "step" and (one.outcome != "ok" or one.status >= _FIRST_ERROR)


def _failure(one: Interaction) -> str:
    status = f"{one.status} " if one.status else ""
    outcomes = {name: outcome for name, outcome in one.subscriptions.items() if outcome != "applied"}
    outcome = ", ".join(f"{name} {outcome}" for name, outcome in outcomes.items()) or one.outcome
    return f"{status}{_plain(outcome)}{_because(one)}"


def _because(one: Interaction) -> str:
    return f": {_plain(one.reason)}" if one.reason else ""


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:12]


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _plain(text: str) -> str:
    """Return a text without control characters, which could move the cursor or write another line."""
    return "".join(character if character.isprintable() else " " for character in text)

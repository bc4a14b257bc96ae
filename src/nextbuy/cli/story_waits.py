"""The waits of a story: pauses between interactions, and slow calls with all their attempts."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from nextbuy.cli.story_rows import StoryRow, clock_time, duration

MIN_WAIT: Final = 1.0
"""Seconds. Shorter pauses and calls are not reported as waits."""
_MAX_GAP: Final = 0.05
"""Seconds. Waits at most this far apart are reported together."""
_MAX_CALLS: Final = 3
"""Calls that a wait names."""
_CLIENT: Final = "client"


class _Wait(Struct):
    """A period without progress: slow `calls` or a `pause`. Times are in seconds since the epoch."""

    began: float
    ended: float
    calls: list[str]
    pause: str = ""
    is_for_client: bool = False


def waits(rows: Sequence[StoryRow]) -> Iterator[str]:
    """Yield the waits in order of time; overlapping ones are merged, except waits for the client."""
    found: list[_Wait] = []
    for wait in sorted([*_pauses(rows), *_slow_calls(rows)], key=lambda one: one.began):
        last = found[-1] if found else None
        touches = last is not None and wait.began <= last.ended + _MAX_GAP
        if last is not None and touches and not (wait.is_for_client or last.is_for_client):
            last.ended = max(last.ended, wait.ended)
            last.calls += wait.calls
        else:
            found.append(wait)
    for wait in found:
        took = duration(wait.ended - wait.began)
        if not wait.calls:
            reason = "waiting for the client, " if wait.is_for_client else ""
            yield f"{took} {reason}{wait.pause}"
            continue
        names = list(dict.fromkeys(wait.calls))
        more = f" and {len(names) - _MAX_CALLS} more" if len(names) > _MAX_CALLS else ""
        yield f"{took} at {clock_time(wait.began)} for {'; '.join(names[:_MAX_CALLS])}{more}"


def attempts_of(rows: Sequence[StoryRow]) -> list[list[StoryRow]]:
    """Return the rows in groups: one for all attempts at a call, or at publishing or delivering an event."""
    groups: list[list[StoryRow]] = []
    latest: dict[tuple[object, ...], list[StoryRow]] = {}
    for row in rows:
        one = row.interaction
        is_event = one.kind in {"publish", "consume"}
        key = (one.kind, one.trace_id, one.parent_id, one.caller, one.callee, one.name, *_event_of(row))
        group = latest.get(key)
        if group is None or (not is_event and one.attempt <= group[-1].interaction.attempt):
            group = latest[key] = []
            groups.append(group)
        group.append(row)
    return groups


def _event_of(row: StoryRow) -> list[str]:
    return row.interaction.ids.get("event", []) if row.interaction.kind in {"publish", "consume"} else []


def _pauses(rows: Sequence[StoryRow]) -> Iterator[_Wait]:
    before, ended = rows[0], rows[0].began
    for row in rows:
        if row.began - ended > MIN_WAIT:
            pause = (
                f"between {clock_time(ended)} ({before.description}) and "
                f"{clock_time(row.began)} ({row.participants}, {row.description})"
            )
            yield _Wait(ended, row.began, [], pause, row.interaction.caller == _CLIENT)
        if row.ended >= ended:
            before, ended = row, row.ended


def _slow_calls(rows: Sequence[StoryRow]) -> Iterator[_Wait]:
    """Yield the slow calls, except those that wait for another slow call."""
    slow = [attempts for attempts in attempts_of(rows) if _end_of(attempts) - attempts[0].began >= MIN_WAIT]
    for attempts in slow:
        first, last = attempts[0], attempts[-1]
        begin, end = first.began, _end_of(attempts)
        callee = first.interaction.callee
        if any(inner[0].interaction.caller == callee and begin <= inner[0].began <= end for inner in slow):
            continue
        result = "failed" if last.failure else "succeeded"
        count = f" ({len(attempts)} attempts, the last {result})" if len(attempts) > 1 else ""
        yield _Wait(begin, end, [f"{first.participants} {first.name}{count}"])


def _end_of(attempts: Sequence[StoryRow]) -> float:
    return max(row.ended for row in attempts)

"""The backlogs of consumer groups on Redis Streams: unacknowledged and unread messages, and the age of the oldest."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis

from nextbuy.contracts.status import Backlog

_MAX_COUNTED: Final = 2_000
"""The highest number of unread messages in a stream that is counted, if Redis does not report it.

Redis reports it from 7.0 on, unless messages were deleted. Counting this many takes less than 10 ms, in which Redis
serves nothing else.
"""

_COUNT_UNREAD: Final = """
local count, first, position, limit = 0, false, '(' .. ARGV[1], tonumber(ARGV[2])
while count < limit do
  local part = redis.call('XRANGE', KEYS[1], position, '+', 'COUNT', math.min(limit - count, 500))
  if #part == 0 then break end
  first = first or part[1][1]
  count = count + #part
  position = '(' .. part[#part][1]
end
return {count, first}
"""


class _GroupState(Struct, frozen=True):
    """A group on one stream: its last read message, the number of unacknowledged ones, and of unread ones if known."""

    group: str
    stream: str
    last_read: str = "0-0"
    pending: int = 0
    lag: int | None = None


async def read_backlogs(client: Redis, prefix: str, groups: Mapping[str, Collection[str]]) -> dict[str, Backlog]:
    """Return the backlog of each group over its topics, in two round trips."""
    streams = [f"{prefix}stream:{topic}" for topic in sorted({name for topics in groups.values() for name in topics})]
    pipe = client.pipeline(transaction=False)
    pipe.execute_command("TIME")
    for stream in streams:
        pipe.execute_command("XINFO GROUPS", stream)
    now, *replies = await pipe.execute(raise_on_error=False)
    if isinstance(now, Exception):
        raise now
    # The error of a stream that does not exist yet.
    known = {stream: reply for stream, reply in zip(streams, replies, strict=True) if not isinstance(reply, Exception)}
    behind = [
        state
        for group, topics in groups.items()
        for topic in topics
        if (stream := f"{prefix}stream:{topic}") in known
        and ((state := _state(group, stream, known[stream])).pending or state.lag != 0)
    ]
    pipe = client.pipeline(transaction=False)
    for state in behind:
        limit = _MAX_COUNTED if state.lag is None else 1
        pipe.execute_command("XPENDING", state.stream, state.group)
        pipe.execute_command("EVAL", _COUNT_UNREAD, 1, state.stream, state.last_read, limit)
    found = await pipe.execute(raise_on_error=False)
    now_ms = now[0] * 1000 + now[1] / 1000
    backlogs = {group: Backlog(0) for group in groups}
    for state, pending, unread in zip(behind, found[::2], found[1::2], strict=True):
        backlogs[state.group] = _add(backlogs[state.group], state, pending, unread, now_ms)
    return backlogs


def _state(group: str, stream: str, infos: Sequence[Mapping[str, Any]]) -> _GroupState:
    for info in infos:
        if info["name"] == group.encode():
            return _GroupState(group, stream, info["last-delivered-id"].decode(), info["pending"], info.get("lag"))
    return _GroupState(group, stream)


def _add(backlog: Backlog, state: _GroupState, pending: object, unread: object, now_ms: float) -> Backlog:
    """Add one stream to a group's backlog; an error adds nothing, since the group was just created or deleted."""
    positions: list[bytes] = []
    waiting = backlog.waiting + state.pending
    if isinstance(pending, dict) and pending["min"]:
        positions.append(pending["min"])
    if isinstance(unread, list):
        count, first = unread
        positions += [] if first is None else [first]
        waiting += count if state.lag is None else state.lag
    ages = [(now_ms - int(position.split(b"-")[0])) / 1000 for position in positions]
    ages += [] if backlog.oldest_s is None else [backlog.oldest_s]
    return Backlog(waiting, round(max(0.0, *ages), 3) if ages else None)

"""The ends of Redis streams, and whether a consumer group has passed them."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, ResponseError

from nextbuy.kit.events.bus.interface import BusUnavailable, TopicEnd

_SEQUENCE: Final = 2**64
"""Ids of entries are milliseconds and a sequence number below this one."""

# Every entry was delivered up to `last-delivered-id`; after it, and among the pending ones, none may be left.
_HAS_PASSED: Final = """
local delivered = '0-0'
local groups = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('XINFO', 'GROUPS', KEYS[1]) or {}
for _, info in ipairs(groups) do
  local group = {}
  for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
  if group['name'] == ARGV[1] then
    delivered = group['last-delivered-id']
    if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', ARGV[2], 1) > 0 then return 0 end
  end
end
return #redis.call('XRANGE', KEYS[1], '(' .. delivered, ARGV[2], 'COUNT', 1) == 0 and 1 or 0
"""


class RedisOffsets:
    """Reads the state of streams with a client that returns bytes; all keys begin with `prefix`."""

    def __init__(self, client: Redis, prefix: str, *, timeout: float) -> None:
        """Wait up to `timeout` seconds for each answer."""
        self._client = client
        self._prefix = prefix
        self._timeout = timeout

    async def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        """Return the id of the last entry of each stream as one number, in partition 0."""
        pipe = self._client.pipeline(transaction=False)
        for topic in topics:
            pipe.execute_command("XINFO", "STREAM", f"{self._prefix}stream:{topic}")
        replies = await self._replies(pipe)
        return {topic: _end(reply) for topic, reply in zip(topics, replies, strict=True)}

    async def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        """Return for each stream whether nothing up to its end is pending or not delivered yet."""
        pipe = self._client.pipeline(transaction=False)
        for topic, end in ends:
            last = "{}-{}".format(*divmod(end.get(0, 0), _SEQUENCE))
            pipe.execute_command("EVAL", _HAS_PASSED, 1, f"{self._prefix}stream:{topic}", group, last)
        replies = await self._replies(pipe)
        for reply in replies:
            _raise_error(reply)
        return [reply == 1 for reply in replies]

    async def _replies(self, pipe: Pipeline) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout):
                return list(await pipe.execute(raise_on_error=False))
        except (RedisError, OSError, TimeoutError) as error:
            message = f"Redis did not describe its streams: {error!r}"
            raise BusUnavailable(message) from error


def _end(reply: Any) -> TopicEnd:  # noqa: ANN401  of any type
    """Return the end of a stream from a reply to `XINFO STREAM`; a stream that does not exist has none."""
    if isinstance(reply, ResponseError) and "no such key" in str(reply):
        return {}
    _raise_error(reply)
    fields = dict(zip(reply[::2], reply[1::2], strict=True))
    milliseconds, sequence = fields[b"last-generated-id"].split(b"-")
    return {0: int(milliseconds) * _SEQUENCE + int(sequence)}


def _raise_error(reply: object) -> None:
    if isinstance(reply, Exception):
        message = f"Redis does not describe a stream: {reply!r}"
        raise BusUnavailable(message) from reply

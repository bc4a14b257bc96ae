"""Failures of Redis, as errors of the bus: they concern one message, one topic, or everything."""

import asyncio
import math
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from nextbuy.kit.events.bus.interface import BusMessage, BusUnavailable, MessageRejected, TopicRefused

UNAVAILABLE: Final = (RedisError, OSError, TimeoutError)
_TIMEOUT: Final = 2.0
"""Seconds to ask for a limit; together with the failed attempt it is less than the relay's timeout."""
_TOPIC_ERRORS: Final = ("NOPERM", "WRONGTYPE")
"""No permission for a key, or a key that holds something else; older servers put the code inside the message."""
_MIN_SIZE_LIMIT: Final = 1024 * 1024
"""Bytes of a message that every Redis accepts: the lowest value of `proto-max-bulk-len`."""
_TOO_LARGE: Final = "invalid bulk length"
T = TypeVar("T")


async def report(reading: Awaitable[T], timeout: float) -> T:
    """Await a reading of Redis's state and return it.

    Raises:
        BusUnavailable: Redis does not answer within `timeout` seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            return await reading
    except UNAVAILABLE as error:
        raise BusUnavailable(f"Redis does not report its state: {type(error).__name__}: {error}") from error


async def publish_failure(
    client: Redis, error: Exception, messages: Sequence[BusMessage]
) -> BusUnavailable | MessageRejected | TopicRefused:
    """Return the error for messages that were not stored."""
    if isinstance(error, NoPermissionError) or any(code in str(error) for code in _TOPIC_ERRORS):
        reason = f"Redis refuses the topic: {error}. Check the permissions of the user, and the topic's key."
        return TopicRefused(reason, {message.topic for message in messages})
    largest = max(len(message.body) for message in messages)
    if largest > _MIN_SIZE_LIMIT and (_TOO_LARGE in str(error) or largest > await _size_limit(client)):
        return MessageRejected(f"Redis rejects the message: {largest} bytes, more than its proto-max-bulk-len")
    return BusUnavailable(f"Redis did not store {len(messages)} messages: {type(error).__name__}: {error}")


async def _size_limit(client: Redis) -> float:
    """Return the size limit of a message in bytes, since Redis may disconnect before its reply names the limit."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            return float((await client.config_get("proto-max-bulk-len"))["proto-max-bulk-len"] or math.inf)
    except (*UNAVAILABLE, KeyError):
        return math.inf

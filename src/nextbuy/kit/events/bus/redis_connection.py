"""The connections of the bus on Redis, apart from those that others share, and the names of its keys and channels."""

from typing import Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

TIMEOUT: Final = 3.0
"""Seconds per round trip, less than the relay's timeout."""


def stream_of(prefix: str, topic: str) -> str:
    """Return the stream of a topic."""
    return f"{prefix}stream:{topic}"


def hint_channel(prefix: str) -> str:
    """Return the channel on which publishers name the topics that have new messages."""
    return f"{prefix}hint"


def own_client(client: Redis) -> Redis:
    """Return a client of the same server that returns bytes, without redis-py's retries and timeouts.

    Only connecting ends after `TIMEOUT` seconds. With a timeout for replies, redis-py sends under `asyncio.wait_for`,
    which up to Python 3.11 can swallow a cancellation.
    """
    pool = client.connection_pool
    # Over TCP, redis-py also stores handlers there that belong to that pool alone.
    own = {name: value for name, value in pool.connection_kwargs.items() if not name.startswith(("maint_", "orig_"))}
    settings = {
        **own,
        "socket_timeout": None,
        "socket_connect_timeout": TIMEOUT,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "protocol": 2,
    }
    return Redis.from_pool(ConnectionPool(connection_class=pool.connection_class, **settings))

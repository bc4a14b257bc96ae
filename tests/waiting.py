"""Poll for a condition instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

from nextbuy.kit.storage.database import Database

TIMEOUT = 60.0
"""Seconds: generous, because a slow machine under load needs several times as long as a fast one."""


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str = "", *, timeout: float = TIMEOUT) -> None:
    """Wait until the condition is true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        await asyncio.sleep(0.005)


async def all_wait_for_a_lock(database: Database, count: int) -> bool:
    """Return whether `count` connections to this database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await database.fetchval(waiting) == count)

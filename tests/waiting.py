"""Poll for a condition instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

TIMEOUT = 15.0


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

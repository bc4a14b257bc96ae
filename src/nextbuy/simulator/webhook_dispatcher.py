"""The dispatcher of webhooks: a bounded number of concurrent deliveries, and a wake-up for the job that starts them."""

import asyncio
from collections.abc import Coroutine
from typing import Final

from nextbuy.kit.rpc.transports import Transport

_MAX_CONCURRENT: Final = 20
"""Deliveries in progress at a time in one process."""


class WebhookDispatcher:
    """The deliveries in progress, and the transport that they use."""

    def __init__(self, transport: Transport) -> None:
        """Deliver through `transport`."""
        self.transport = transport
        self._wakeup = asyncio.Event()
        self._wakeup.set()  # webhooks may be due since before the start
        self._in_progress: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """End a wait in `free_slots`."""
        self._wakeup.set()

    def wake_in(self, seconds: float) -> None:
        """End a wait in `free_slots` after `seconds`."""
        asyncio.get_running_loop().call_later(seconds, self.wake)

    async def free_slots(self, *, timeout: float) -> int:
        """Wait for `wake`, at most `timeout` seconds, and return how many more deliveries may start."""
        try:
            async with asyncio.timeout(timeout):
                await self._wakeup.wait()
        except TimeoutError:
            pass
        self._wakeup.clear()
        return _MAX_CONCURRENT - len(self._in_progress)

    def start(self, delivery: Coroutine[object, object, None]) -> None:
        """Start a delivery."""
        task = asyncio.get_running_loop().create_task(delivery)
        self._in_progress.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._in_progress.discard(task)
        self.wake()

    async def close(self) -> None:
        """Cancel the deliveries in progress, which are repeated when their claims expire, and close the transport."""
        for task in self._in_progress:
            task.cancel()
        await asyncio.gather(*self._in_progress, return_exceptions=True)
        await self.transport.close()

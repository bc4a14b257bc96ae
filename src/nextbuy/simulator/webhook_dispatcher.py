"""Carries webhooks to the shop's door, many at once; the job wakes as soon as there is one."""

import asyncio
from collections.abc import Coroutine
from typing import Final

from nextbuy.kit.rpc.transports import Transport

_MOST: Final = 20
"""Webhooks on their way at the same time, from one process."""


class WebhookDispatcher:
    """The way to the shop, and what is on it."""

    def __init__(self, transport: Transport) -> None:
        """Go over `transport`."""
        self.transport = transport
        self._awake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Say that there may be something to send, or room to send it."""
        self._awake.set()

    def wake_in(self, seconds: float) -> None:
        """Say so in a while."""
        asyncio.get_running_loop().call_later(seconds, self.wake)

    async def room(self, *, within: float) -> int:
        """Wait until somebody wakes us, or so many seconds; return how many more webhooks can be on their way."""
        try:
            async with asyncio.timeout(within):
                await self._awake.wait()
        except TimeoutError:
            pass
        self._awake.clear()
        return _MOST - len(self._under_way)

    def start(self, delivery: Coroutine[object, object, None]) -> None:
        """Send one on its way."""
        task = asyncio.get_running_loop().create_task(delivery)
        self._under_way.add(task)
        task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.wake()

    async def close(self) -> None:
        """Stop; what was on its way is sent again by whoever comes next."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self.transport.close()

"""A walkthrough: requests of several people, each shown with its result; rate-limited ones are repeated."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final, TypeVar
from urllib.parse import quote

from nextbuy.demo.client import Client, Response, Trace, Unreachable
from nextbuy.demo.screen import Screen

Result = TypeVar("Result")

_TOO_MANY_REQUESTS: Final = 429
_MAX_WAIT: Final = 120.0
_MAX_ATTEMPTS: Final = 5
_POLL_INTERVAL: Final = 0.1


class DemoError(Exception):
    """The demo cannot continue; the message says why, and what to do."""


@dataclass(frozen=True)
class Person:
    """A person who makes requests; a visitor has no token."""

    name: str
    token: str | None = None
    id: str = ""


class Walkthrough:
    """The requests of the demo and their display."""

    def __init__(
        self,
        client: Client,
        screen: Screen,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.screen = screen
        self.client = client
        self._sleep = sleep
        self._now = now

    async def do(
        self, who: Person, what: str, method: str, path: str, body: object | None = None, *, trace: Trace | None = None
    ) -> Any:  # noqa: ANN401  any JSON
        """Send a request of `who`, show it as `what`, and return the JSON of the response.

        Raises:
            DemoError: the request was refused, or the marketplace does not answer.
        """
        response = await self.request(who, method, path, body, trace=trace)
        if not response.ok:
            raise DemoError(f"{who.name} {what}: {method} {path} returned {response.status}: {response.reason}")
        self.screen.step(who.name, what, response.status, response.ms)
        return response.json

    async def request(
        self, who: Person, method: str, path: str, body: object | None = None, *, trace: Trace | None = None
    ) -> Response:
        """Send a request of `who` and return its response; wait and repeat it if it is rate limited.

        Raises:
            DemoError: the marketplace does not answer, or the rate limit asks for too long a wait.
        """
        headers = trace.headers if trace else {}
        if method == "POST":
            headers["Idempotency-Key"] = token_hex(16)
        for _ in range(_MAX_ATTEMPTS):
            try:
                response = await self.client.request(method, path, body, token=who.token, headers=headers)
            except Unreachable as error:
                raise DemoError(str(error)) from error
            if response.status != _TOO_MANY_REQUESTS:
                return response
            wait = response.retry_after or 1.0
            if wait > _MAX_WAIT:
                break
            self.screen.note(f"Too many requests; waiting {math.ceil(wait)} s, as the marketplace asks.")
            await self._sleep(wait)
        raise DemoError(f"{method} {path} was refused because of too many requests. Try again later.")

    async def items(self, who: Person, path: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the items of a list, page by page.

        Raises:
            DemoError: a page was refused.
        """
        cursor = ""
        while True:
            page = f"{path}?limit=100{cursor}"
            response = await self.request(who, "GET", page)
            if not response.ok:
                raise DemoError(f"{who.name} reads {page}: returned {response.status}: {response.reason}")
            for item in response.json["items"]:
                yield item
            if not response.json.get("next_cursor"):
                return
            cursor = f"&cursor={quote(response.json['next_cursor'])}"

    async def until(
        self, who: Person, what: str, find: Callable[[], Awaitable[Result | None]], *, timeout: float = 10.0
    ) -> Result:
        """Call `find` until it returns something, and show how long that took.

        Raises:
            DemoError: `find` returned nothing within `timeout` seconds.
        """
        began = self._now()
        while True:
            result = await find()
            took = self._now() - began
            if result is not None:
                self.screen.step(who.name, what, 0, took * 1000)
                return result
            if took > timeout:
                raise DemoError(f"{who.name} {what}: not within {timeout:g} s. Check that all services run.")
            await self._sleep(_POLL_INTERVAL)

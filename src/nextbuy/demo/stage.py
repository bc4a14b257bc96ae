"""How the demo acts: a request is sent as somebody, shown when answered, and sent again when told to wait."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final, TypeVar
from urllib.parse import quote

from nextbuy.demo.client import Answer, Client, Trace, Unreachable
from nextbuy.demo.screen import Screen

Found = TypeVar("Found")

_SLOW_DOWN: Final = 429
_LONGEST_WAIT: Final = 120.0
_MOST_WAITS: Final = 5
_PAUSE: Final = 0.1


class DemoError(Exception):
    """The demo cannot go on; the message says why, and what to do about it."""


@dataclass(frozen=True)
class Person:
    """Somebody who acts; a stranger has no token."""

    name: str
    token: str | None = None
    id: str = ""


class Stage:
    """Sends requests and shows them."""

    def __init__(
        self,
        client: Client,
        screen: Screen,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Act against what `client` speaks to, on `screen`."""
        self.screen = screen
        self.client = client
        self._sleep = sleep
        self._now = now

    async def do(
        self, who: Person, what: str, method: str, path: str, body: object | None = None, *, trace: Trace | None = None
    ) -> Any:  # noqa: ANN401  any JSON
        """Act as `who` and return what was answered.

        Raises:
            DemoError: it was refused, or nothing answers.
        """
        answer = await self.ask(who, method, path, body, trace=trace)
        if not answer.good:
            message = f"{who.name} {what}: {method} {path} was answered with {answer.status}: {answer.why}"
            raise DemoError(message)
        self.screen.step(who.name, what, answer.status, answer.ms)
        return answer.said

    async def ask(
        self, who: Person, method: str, path: str, body: object | None = None, *, trace: Trace | None = None
    ) -> Answer:
        """Ask as `who`, whatever the answer is; only where it is to wait, this waits and asks again.

        Raises:
            DemoError: nothing answers, or the wait is too long.
        """
        headers = trace.headers if trace else {}
        if method == "POST":
            headers["Idempotency-Key"] = token_hex(16)
        for _ in range(_MOST_WAITS):
            try:
                answer = await self.client.request(method, path, body, token=who.token, headers=headers)
            except Unreachable as error:
                raise DemoError(str(error)) from error
            if answer.status != _SLOW_DOWN:
                return answer
            wait = answer.retry_after or 1.0
            if wait > _LONGEST_WAIT:
                break
            self.screen.note(f"Too many requests for now: waiting {math.ceil(wait)} s, as the marketplace asks.")
            await self._sleep(wait)
        message = f"{method} {path} was refused again and again, because of too many requests; try later."
        raise DemoError(message)

    async def items(self, who: Person, path: str, *, trace: Trace | None = None) -> AsyncIterator[dict[str, Any]]:
        """Give the items of a list, page by page.

        Raises:
            DemoError: a page was refused.
        """
        cursor = ""
        while True:
            page = f"{path}?limit=100{cursor}"
            answer = await self.ask(who, "GET", page, trace=trace)
            if not answer.good:
                message = f"{who.name} reads {page}: it was answered with {answer.status}: {answer.why}"
                raise DemoError(message)
            for item in answer.said["items"]:
                yield item
            if not answer.said.get("next_cursor"):
                return
            cursor = f"&cursor={quote(answer.said['next_cursor'])}"

    async def until(
        self, who: Person, what: str, look: Callable[[], Awaitable[Found | None]], *, within: float = 10.0
    ) -> Found:
        """Look again and again until something is found, and show how long it took.

        Raises:
            DemoError: it was not there in time.
        """
        began = self._now()
        while True:
            found = await look()
            took = self._now() - began
            if found is not None:
                self.screen.step(who.name, what, 0, took * 1000)
                return found
            if took > within:
                message = f"{who.name} {what}: not within {within:g} s."
                raise DemoError(message)
            await self._sleep(_PAUSE)

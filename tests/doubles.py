"""Test doubles for calls to other services."""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from nextbuy.contracts.message import Call, Check, Reply
from nextbuy.kit.wire import Request, Response


class StubCalls:
    """Replies to calls from a dict and records them.

    An entry of `replies` is a reply, an error to raise, or a function of the call.
    """

    def __init__(self, replies: Mapping[type[Call[Any]], object] | None = None) -> None:
        """Reply with `replies`; a test may change them at any time."""
        self.replies: dict[type[Call[Any]], object] = dict(replies or {})
        self.made: list[Call[Any]] = []

    async def __call__(self, call: Call[Reply], check: Check[Reply] | None = None) -> Reply:
        """Reply to one call; a call without an entry, or a reply that its client would refuse, fails the test."""
        self.made.append(call)
        reply = self.replies[type(call)]
        if isinstance(reply, BaseException):
            raise reply
        if callable(reply):
            reply = cast("Callable[[Call[Reply]], object]", reply)(call)
            if hasattr(reply, "__await__"):
                reply = await cast("Any", reply)
        answer = cast("Reply", reply)
        if check is not None:
            check(answer)
        return answer

    def of_type(self, kind: type[Call[Any]]) -> list[Any]:
        """Return the calls of one type, in order."""
        return [call for call in self.made if type(call) is kind]


class OneReply:
    """A transport to a service that answers every request with one reply, in JSON values."""

    def __init__(self, reply: object) -> None:
        self._body = json.dumps(reply).encode()

    async def deliver(self, _request: Request, _timeout: float) -> Response:
        """Answer."""
        return Response(200, self._body)

    async def close(self) -> None:
        """Do nothing."""

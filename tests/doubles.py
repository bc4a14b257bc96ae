"""The doubles of other services: a reply for each type of call."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from nextbuy.contracts.message import Call, Reply


class Answers:
    """Answers calls from a dict: a reply, an error to raise, or a function of the call; keeps what it was asked."""

    def __init__(self, answers: Mapping[type[Call[Any]], object] | None = None) -> None:
        """Answer with `answers`; entries may be set and changed while it is in use."""
        self.answers: dict[type[Call[Any]], object] = dict(answers or {})
        self.asked: list[Call[Any]] = []

    async def __call__(self, call: Call[Reply]) -> Reply:
        """Answer one call; one that nobody prepared fails the test."""
        self.asked.append(call)
        answer = self.answers[type(call)]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = cast("Callable[[Call[Reply]], object]", answer)(call)
            if hasattr(answer, "__await__"):
                answer = await cast("Any", answer)
        return cast("Reply", answer)

    def of(self, kind: type[Call[Any]]) -> list[Any]:
        """Return the calls of one type, in order."""
        return [call for call in self.asked if type(call) is kind]

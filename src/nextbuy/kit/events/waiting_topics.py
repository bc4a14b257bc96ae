"""Waiting topics: the bus refuses them at present, so their events wait in the outbox while others are published.

Each is tried again by itself, because an attempt may delay other topics for as long as the bus takes to refuse it.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

log: Final = logging.getLogger(__name__)

_RETRY_BASE: Final = 1.0
RETRY_CAP: Final = 30.0
"""Seconds between attempts: from `_RETRY_BASE`, doubled up to this, since a refusal ends when an operator acts."""


@dataclass(slots=True)
class _Waiting:
    due: float
    failures: int = 1


class WaitingTopics:
    """The waiting topics of one publisher; times are monotonic seconds."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._topics: dict[str, _Waiting] = {}

    @property
    def names(self) -> list[str]:
        """The names of the waiting topics."""
        return list(self._topics)

    def due(self, now: float) -> str | None:
        """Return a topic to try again, or None."""
        return next((name for name, waiting in self._topics.items() if waiting.due <= now), None)

    def refuse(self, topics: Collection[str], reason: str, now: float) -> None:
        """Have topics wait; log only the first refusal of each."""
        for name in topics:
            if name in self._topics:
                self.postpone(name, now)
                continue
            self._topics[name] = _Waiting(now + _RETRY_BASE)
            log.error(
                "topic refused by the bus; its events wait in the outbox, other topics are published",
                extra={"topic": name, "service": self._service, "reason": reason},
            )

    def postpone(self, topic: str | None, now: float) -> None:
        """Have a topic wait for longer than before: it was refused again, or has no event to try."""
        if topic is not None and (waiting := self._topics.get(topic)) is not None:
            waiting.due = now + min(_RETRY_BASE * 2**waiting.failures, RETRY_CAP)
            waiting.failures += 1

    def accept(self, topic: str | None) -> None:
        """End the wait of a topic, whose events are published with the others again."""
        if topic is not None and self._topics.pop(topic, None) is not None:
            log.info("topic accepted by the bus again", extra={"topic": topic, "service": self._service})

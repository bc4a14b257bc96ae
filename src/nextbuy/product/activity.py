"""What buyers do with products, gathered in this process until it is written down: never waited for, and bounded."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

Action = Literal["viewed", "added-to-basket"]
Did = tuple[UUID, Action, datetime]
"""Which product, what, and in which hour (UTC)."""

MOST: Final = 5_000
"""Different things that may wait; each of them may have happened any number of times."""


class Activities:
    """Counts what was done, until it is taken away."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._counts: dict[Did, int] = {}
        self._dropped = 0

    def add(self, done: Mapping[Did, int]) -> None:
        """Count; what there is no room for is dropped, and only the number of it kept."""
        for did, times in done.items():
            if did in self._counts or len(self._counts) < MOST:
                self._counts[did] = self._counts.get(did, 0) + times
            else:
                self._dropped += times

    def take(self) -> tuple[dict[Did, int], int]:
        """Return what was counted and how much was dropped, and begin anew."""
        taken, self._counts = self._counts, {}
        dropped, self._dropped = self._dropped, 0
        return taken, dropped


def counted(done: Iterable[tuple[UUID, Action]], at: datetime) -> dict[Did, int]:
    """Return what was done at a time, each thing with its number."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    counts: dict[Did, int] = {}
    for product_id, action in done:
        did = (product_id, action, hour)
        counts[did] = counts.get(did, 0) + 1
    return counts

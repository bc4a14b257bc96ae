"""A bounded count of views and basket additions in this process; a crash loses what is not published yet."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

Action = Literal["viewed", "added-to-basket"]
ActivityKey = tuple[UUID, Action, datetime]
"""A product, an action, and the beginning of the hour (UTC)."""

MAX_KEYS: Final = 5_000
"""Different keys in the buffer; the count of each is unlimited."""


class ActivityBuffer:
    """The counts of views and basket additions that are not published yet."""

    def __init__(self) -> None:
        self._counts: dict[ActivityKey, int] = {}
        self._dropped = 0

    def add(self, counts: Mapping[ActivityKey, int]) -> None:
        """Add counts; if the buffer is full, drop new keys and count what was dropped."""
        for key, times in counts.items():
            if key in self._counts or len(self._counts) < MAX_KEYS:
                self._counts[key] = self._counts.get(key, 0) + times
            else:
                self._dropped += times

    def drain(self) -> tuple[dict[ActivityKey, int], int]:
        """Empty the buffer; return its counts and the number of dropped actions."""
        counts, self._counts = self._counts, {}
        dropped, self._dropped = self._dropped, 0
        return counts, dropped


def count_actions(actions: Iterable[tuple[UUID, Action]], at: datetime) -> dict[ActivityKey, int]:
    """Count actions by key; `at` is the time of all of them."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    counts: dict[ActivityKey, int] = {}
    for product_id, action in actions:
        key = (product_id, action, hour)
        counts[key] = counts.get(key, 0) + 1
    return counts

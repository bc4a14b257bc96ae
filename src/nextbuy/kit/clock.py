"""The time, asked in one place, so that a test can turn it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the moment, with its zone."""


def utc_now() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)

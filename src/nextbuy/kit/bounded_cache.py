"""A cache in the memory of one process, bounded in number and in bytes."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """A cache in memory that evicts the oldest values first."""

    def __init__(self, *, max_values: int, max_bytes: int) -> None:
        """Store at most `max_values` values, of at most `max_bytes` bytes in total."""
        self._max_values = max_values
        self._max_bytes = max_bytes
        self._values: dict[Key, tuple[Value, int]] = {}
        self.size = 0
        """Bytes of the stored values."""

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, None without one."""
        stored = self._values.get(key)
        return None if stored is None else stored[0]

    def insert(self, key: Key, value: Value, size: int) -> None:
        """Store a value of `size` bytes in place of the earlier one; a value that alone is too large is not stored."""
        self.remove(key)
        if size > self._max_bytes:
            return
        self._values[key] = (value, size)
        self.size += size
        while len(self._values) > self._max_values or self.size > self._max_bytes:
            self.remove(next(iter(self._values)))

    def remove(self, key: Key) -> None:
        """Remove the value of a key, if it has one."""
        _, size = self._values.pop(key, (None, 0))
        self.size -= size

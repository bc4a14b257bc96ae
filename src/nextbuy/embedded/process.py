"""An engine as a child process: started and stopped, and stopped later if its marketplace was killed."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

import psutil

from nextbuy.embedded import folder
from nextbuy.embedded.errors import EngineError, cannot_use, disk_full
from nextbuy.embedded.identity import Identity
from nextbuy.embedded.parent_watch import watch_parent

POLL_INTERVAL = 0.01
"""Seconds between two checks of a process."""
ORPHAN_TIMEOUT = 15.0
"""Seconds for an orphaned engine to stop before it is killed."""
START_TIMEOUT = 120.0
"""Seconds. After a crash, an engine first replays its log."""


class Engine:
    """An engine that this process has started; `stop_signals` are tried gentlest first, each with seconds to wait.

    It holds the lock on its data until it has stopped.
    """

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        url: str,
        command: Sequence[str | Path],
        identity: Identity,
        *,
        log: Path,
        lock: TextIO,
        stop_signals: Mapping[signal.Signals, float],
        is_ready: Callable[[int], bool],
    ) -> None:
        """Start the engine; `is_ready` gets its process id, and returns whether it accepts connections."""
        self.url = url
        self._name = name
        self._log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._lock = lock
        self._stop_signals = stop_signals
        self._is_ready = is_ready
        self._process = spawn(command, identity, log, next(iter(stop_signals)))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait(self) -> "Engine":
        """Wait until the engine accepts connections, and return it; stop it and raise EngineError if it does not."""
        deadline = time.monotonic() + START_TIMEOUT
        try:
            while not self._is_ready(self.pid):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise self._failure()
                time.sleep(POLL_INTERVAL)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the engine and unlock its data. A second call does nothing."""
        for stop_signal, timeout in self._stop_signals.items():
            if self._process.poll() is not None:
                break
            self._process.send_signal(stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._lock.close()

    def _failure(self) -> EngineError:
        output = self._log.read_bytes()[self._log_start :].decode(errors="replace")
        if "No space left on device" in output:
            return disk_full(self._log.parent)
        lines = [line for line in output.splitlines() if line.strip()]
        errors = [line for line in lines if "FATAL" in line or "PANIC" in line or "rror" in line] or lines
        last = errors[-1].strip() if errors else "no output"
        return EngineError(f'{self._name} did not start: "{last}". See {self._log}.')


def launch_locked(data: Path, engine: str, launch: Callable[[Path, TextIO], Engine]) -> Engine:
    """Prepare the data folder, lock the engine's data, and return the engine that `launch` then starts."""
    data = folder.prepare(data)
    lock = folder.lock(data, engine)
    try:
        return launch(data, lock)
    except BaseException:
        lock.close()
        raise


def spawn(
    command: Sequence[str | Path], identity: Identity, log: Path, death_signal: signal.Signals
) -> "subprocess.Popen[bytes]":
    """Start a program that ignores the terminal's Ctrl-C and stops when this process ends.

    The kernel then sends `death_signal` on Linux; elsewhere the next start stops the program.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "start engines from the main thread: the kernel stops them when the thread that started them ends"
        )
    user = ("-", "-") if identity.is_us else (str(identity.uid), str(identity.gid))
    watched = [*watch_parent(death_signal, user), *map(str, command)]
    # The user's PGDATA, PGPORT, PGOPTIONS … are meant for other servers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        with _open_log(log) as output:
            return subprocess.Popen(  # noqa: S603  no input from outside
                watched,
                cwd="/",
                env=environment | {"LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # PostgreSQL restricts its files by itself; Redis would have them readable by everyone.
                umask=0o077,
            )
    except OSError as error:
        raise cannot_use(log, error) from error


def _open_log(log: Path) -> BinaryIO:
    """Open a log that only this user can read, also one that a former release has created for everyone."""
    file = os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    with contextlib.suppress(PermissionError):
        os.fchmod(file.fileno(), 0o600)
    return file


def stop_orphans(home: Path, program: str, stop_signal: signal.Signals) -> None:
    """Stop an engine in the folder `home` that outlived its marketplace. The caller holds the lock on its data."""
    orphans = _processes_in(home, program)
    # A server stops its own children in order, so only the server gets the signal.
    pids = {orphan.pid for orphan in orphans}
    for orphan in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            if orphan.ppid() not in pids:
                orphan.send_signal(stop_signal)
    deadline = time.monotonic() + ORPHAN_TIMEOUT
    # Polled by folder, not waited for by process id: in a container, zombies may stay.
    while survivors := _processes_in(home, program):
        if time.monotonic() > deadline:
            for orphan in survivors:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()
        time.sleep(POLL_INTERVAL)


def _processes_in(home: Path, program: str) -> list[psutil.Process]:
    matches = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == program and home.samefile(process.cwd()):
                matches.append(process)
    return matches

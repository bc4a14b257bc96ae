"""An engine as a child process: started on a leash, asked to stop, and found again when its marketplace was killed."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import psutil

from nextbuy.embedded import parent_watch as leash
from nextbuy.embedded.errors import EngineError, disk_full, unusable
from nextbuy.embedded.identity import Identity

POLL = 0.01
ORPHANS_PATIENCE = 15.0
LONGEST_START = 120.0
"""Seconds: after a crash an engine first reads what it had promised to keep."""


class Child:
    """A running engine, the lock on its data, and its log.

    Args:
        process: the engine.
        lock: held until the engine has stopped.
        stop_signals: what to ask with, gentlest first, each with the seconds it is given.
        log: the engine's log.
        log_start: how long the log was before this start.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        lock: TextIO,
        stop_signals: Mapping[signal.Signals, float],
        log: Path,
        log_start: int,
    ) -> None:
        self.process = process
        self._lock = lock
        self._stop_signals = stop_signals
        self._log = log
        self._log_start = log_start

    def stop(self) -> None:
        """Stops the engine and gives its data free. A second call does nothing."""
        for sign, patience in self._stop_signals.items():
            if self.process.poll() is not None:
                break
            self.process.send_signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._lock.close()

    def last_words(self) -> str:
        """What the engine has logged since this start."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def wait_until(self, ready: Callable[[], bool], engine: str) -> None:
        """Waits until the engine serves.

        Args:
            ready: asked every 10 ms.
            engine: its name, for the message.

        Raises:
            EngineError: it ended, or takes longer than any recovery; it is stopped then.
        """
        deadline = time.monotonic() + LONGEST_START
        try:
            while not ready():
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise self._failure(engine)
                time.sleep(POLL)
        except BaseException:
            self.stop()
            raise

    def _failure(self, engine: str) -> EngineError:
        words = self.last_words()
        if "No space left on device" in words:
            return disk_full(self._log.parent)
        lines = [line for line in words.splitlines() if line.strip()]
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "rror" in line] or lines
        last = telling[-1].strip() if telling else "it said nothing"
        return EngineError(f'{engine} did not start: "{last}"; all it said is in {self._log}.')


def spawn(
    command: Sequence[str | Path], identity: Identity, log: Path, death_signal: signal.Signals
) -> "subprocess.Popen[bytes]":
    """Starts a program that neither misses its orderly stop nor outlives us.

    It is in a session of its own, so that Ctrl-C in the terminal is ours to answer, and on a leash.

    Args:
        command: the program's full path and its arguments.
        identity: the user that it runs as.
        log: where all it says goes.
        death_signal: what it gets from the kernel when we are gone (on Linux; elsewhere the next start finds it).

    Raises:
        RuntimeError: called from a thread other than the main one. The kernel ties the leash to the thread, not to the
            process: the engine would
            stop with a thread of a pool.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "engines are started from the main thread: the kernel stops them when the thread that started them ends"
        )
    user = ("-", "-") if identity.is_us else (str(identity.uid), str(identity.gid))
    held = [*leash.watch_parent(death_signal, user), *map(str, command)]
    # A person's PGDATA, PGPORT, PGOPTIONS … are about other servers than ours.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the program is the wheel's, the arguments are ours
                held,
                cwd="/",
                env=environment | {"LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise unusable(log, error) from error


def end_orphans(folder: Path, program: str, stop_signal: signal.Signals) -> None:
    """Ends the engine of a marketplace that was killed, on the data that is ours now.

    The caller holds the lock: the engine is nobody's.

    Args:
        folder: the engine's data, where it works.
        program: the name of its program.
        stop_signal: what asks it to stop fast and keep all it has promised.
    """
    orphans = _working_in(folder, program)
    # Of a server and its own children, only the server is asked: it stops them in order.
    pids = {orphan.pid for orphan in orphans}
    for orphan in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            if orphan.ppid() not in pids:
                orphan.send_signal(stop_signal)
    deadline = time.monotonic() + ORPHANS_PATIENCE
    # Not waited for by number: in a container nobody may be there to bury the dead, and their numbers stay.
    while left := _working_in(folder, program):
        if time.monotonic() > deadline:
            for orphan in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()
        time.sleep(POLL)


def _working_in(folder: Path, program: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == program and folder.samefile(process.cwd()):
                found.append(process)
    return found

"""PostgreSQL from its wheel: made on the first start, on a Unix socket alone."""

import os
import secrets
import shutil
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from nextbuy.embedded import folder
from nextbuy.embedded.binaries import POSTGRES_MAJOR, postgres_bin, with_libraries
from nextbuy.embedded.errors import EngineError, disk_full, unusable
from nextbuy.embedded.identity import Identity, identity_for, open_programs, open_the_way
from nextbuy.embedded.process import Child, end_orphans, spawn

# SIGINT is PostgreSQL's "fast": open transactions are rolled back, everything committed is written. SIGQUIT leaves that
# to the next start.
STOP = {signal.SIGINT: 20.0, signal.SIGQUIT: 5.0}

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "superuser_reserved_connections": "3",
    # All engines and services together stay under 400 MB.
    "shared_buffers": "48MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "io_method": "sync",
    "max_worker_processes": "2",
    "max_parallel_workers_per_gather": "0",
    # A marketplace's statements are short: compiling one takes longer than running it.
    "jit": "off",
    # There is no replica: WAL is for crashes alone.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "64MB",
    "max_wal_size": "512MB",
    # Every password here is random: stretching one protects nothing, and costs milliseconds on each connection.
    "scram_iterations": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "update_process_title": "off",
}
UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL that this process runs."""

    url: str = field(repr=False)
    """The superuser's, with its password."""
    pid: int
    _child: Child = field(repr=False, compare=False)

    def stop(self) -> None:
        """Stops it fast and in order: what was committed is kept. A second call does nothing."""
        self._child.stop()


@dataclass(frozen=True)
class StartingPostgres:
    """A PostgreSQL that was started and may not serve yet."""

    url: str = field(repr=False)
    _child: Child
    _status_file: Path

    def wait(self) -> Postgres:
        """Waits until it serves.

        Raises:
            EngineError: it did not start.
        """
        self._child.wait_until(self._serves, "PostgreSQL")
        return Postgres(self.url, self._child.process.pid, self._child)

    def stop(self) -> None:
        """Stops it."""
        self._child.stop()

    def _serves(self) -> bool:
        # The socket answers long before recovery is done; the server itself says here when it is.
        try:
            lines = self._status_file.read_text().splitlines()
        except OSError:
            return False
        return lines[:1] == [str(self._child.process.pid)] and [line.strip() for line in lines[7:8]] == ["ready"]


def launch_postgres(data: Path, *, fast_and_unsafe: bool = False) -> StartingPostgres:
    """Starts PostgreSQL, without waiting for it but for the first time, when its data is made.

    Args:
        data: the data folder.
        fast_and_unsafe: nothing is written through to the disk; for tests.

    Raises:
        EngineError: it cannot run here.
    """
    data = folder.prepare(data)
    lock = folder.hold(data, "postgres")
    try:
        return _launch(data, lock, UNSAFE if fast_and_unsafe else {})
    except BaseException:
        lock.close()
        raise


def start_postgres(data: Path, *, fast_and_unsafe: bool = False) -> Postgres:
    """Starts PostgreSQL on a data folder, from the main thread, and waits until it serves.

    Args:
        data: the data folder; made when it is not there.
        fast_and_unsafe: nothing is written through to the disk; for tests.

    Raises:
        EngineError: it cannot run here.
    """
    return launch_postgres(data, fast_and_unsafe=fast_and_unsafe).wait()


def running_postgres(data: Path) -> str | None:
    """The superuser's URL of the PostgreSQL that runs on a data folder, whoever started it.

    Args:
        data: the data folder.

    Returns:
        None where none runs.
    """
    sockets = folder.socket_folder(data)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(sockets / ".s.PGSQL.5432"))
            return _url(data, sockets)
        except (OSError, EngineError):
            return None


def _launch(data: Path, lock: TextIO, unsafe: dict[str, str]) -> StartingPostgres:
    cluster = data / "postgres"
    identity = identity_for(cluster)
    programs = postgres_bin()
    open_programs(with_libraries(programs.parent), identity)
    sockets = folder.make_socket_folder(data, identity)
    open_the_way([programs, cluster, sockets], identity)
    log = folder.open_log(data, "postgres")
    if cluster.exists():
        _expect_our_version(cluster)
        leftovers = [cluster / "postmaster.pid", sockets / ".s.PGSQL.5432.lock", sockets / ".s.PGSQL.5432"]
        if any(path.exists() for path in leftovers):
            end_orphans(cluster, "postgres", signal.SIGINT)
            # The number in them may be another program's by now, or a dead one's that nobody buried: PostgreSQL would
            # take it for a server and refuse to start.
            for path in leftovers:
                path.unlink(missing_ok=True)
    else:
        _initialise(data, cluster, identity, log, durable=not unsafe)
    settings = SETTINGS | unsafe | {"unix_socket_directories": str(sockets)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log_start = log.stat().st_size if log.exists() else 0
    url = _url(data, sockets)
    process = spawn([programs / "postgres", "-D", cluster, *options], identity, log, signal.SIGINT)
    return StartingPostgres(url, Child(process, lock, STOP, log, log_start), cluster / "postmaster.pid")


def _expect_our_version(cluster: Path) -> None:
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EngineError(
            f"{cluster} holds no PostgreSQL data: restore it from a backup, or choose another data folder."
        ) from error
    if found != str(POSTGRES_MAJOR):
        raise EngineError(
            f"{cluster} was made by PostgreSQL {found} and NextBuy runs PostgreSQL {POSTGRES_MAJOR}: move the data "
            f"with pg_dump of version {found}, or choose another data folder."
        )


def _initialise(data: Path, cluster: Path, identity: Identity, log: Path, *, durable: bool) -> None:
    folder.need_room(data)
    # Made under another name first: what stands under the right one is always whole.
    unfinished, password_file = data / "postgres.new", data / "postgres.new-password"
    password = secrets.token_urlsafe(24)
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file.unlink(missing_ok=True)
        unfinished.mkdir(mode=0o700)
        identity.own(unfinished)
        for path in (password_file, data / "postgres.password"):
            _write_secret(path, password)
        identity.own(password_file)
        _initdb(unfinished, password_file, identity, log, durable=durable)
        unfinished.rename(cluster)
    except OSError as error:
        raise unusable(cluster, error) from error
    finally:
        password_file.unlink(missing_ok=True)


def _initdb(unfinished: Path, password_file: Path, identity: Identity, log: Path, *, durable: bool) -> None:
    command: list[str | Path] = [
        postgres_bin() / "initdb",
        f"--pgdata={unfinished}",
        f"--pwfile={password_file}",
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
        "--set=scram_iterations=1",
    ]
    log_start = log.stat().st_size if log.exists() else 0
    process = spawn([*command, *([] if durable else ["--no-sync"])], identity, log, signal.SIGTERM)
    try:
        code = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if code:
        words = log.read_bytes()[log_start:].decode(errors="replace")
        if "No space left on device" in words:
            raise disk_full(unfinished)
        reasons = (
            [line for line in words.splitlines() if "error:" in line or "FATAL" in line]
            or words.splitlines()[-1:]
            or ["it said nothing"]
        )
        raise EngineError(f'PostgreSQL\'s data could not be made: "{reasons[0].strip()}"; all it said is in {log}.')


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _url(data: Path, sockets: Path) -> str:
    path = data / "postgres.password"
    try:
        password = path.read_text()
    except OSError as error:
        raise EngineError(
            f"{path} cannot be read: give it back from a backup of this data folder, or choose another data folder."
        ) from error
    return f"postgresql://postgres:{password}@/postgres?host={quote(str(sockets), safe='')}"

"""PostgreSQL from its wheel: created at the first start, listening on a Unix socket only."""

import os
import secrets
import shutil
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from nextbuy.embedded import folder
from nextbuy.embedded.binaries import POSTGRES_MAJOR, postgres_bin, with_libraries
from nextbuy.embedded.errors import EngineError, cannot_use, disk_full
from nextbuy.embedded.identity import Identity, allow_execution, allow_traversal, identity_for
from nextbuy.embedded.process import Engine, launch_locked, spawn, stop_orphans

STOP_SIGNALS = {signal.SIGINT: 20.0, signal.SIGQUIT: 5.0}
"""Seconds to wait after each signal: "fast" rolls back open transactions, "immediate" recovers at the next start."""

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
    # Statements are short: compiling one takes longer than running it.
    "jit": "off",
    # There is no replica: WAL serves crash recovery only.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "64MB",
    "max_wal_size": "512MB",
    # Passwords are random: stretching protects nothing and costs milliseconds on each connection.
    "scram_iterations": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "update_process_title": "off",
}
UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def launch_postgres(data: Path, *, fast_and_unsafe: bool = False) -> Engine:
    """Start PostgreSQL without waiting until it is ready; the first time, create its data.

    `fast_and_unsafe` skips fsync, for tests. The engine's URL is the superuser's, with the password.
    """
    return launch_locked(data, "postgres", partial(_launch, unsafe=UNSAFE if fast_and_unsafe else {}))


def start_postgres(data: Path, *, fast_and_unsafe: bool = False) -> Engine:
    """Start PostgreSQL from the main thread and wait until it accepts connections; see `launch_postgres`."""
    return launch_postgres(data, fast_and_unsafe=fast_and_unsafe).wait()


def running_postgres(data: Path) -> str | None:
    """Return the superuser's URL of the PostgreSQL that runs on a data folder, or None."""
    sockets = folder.socket_folder(data)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(sockets / ".s.PGSQL.5432"))
            return _url(data, sockets)
        except (OSError, EngineError):
            return None


def _launch(data: Path, lock: TextIO, unsafe: dict[str, str]) -> Engine:
    cluster = data / "postgres"
    identity = identity_for(cluster)
    programs = postgres_bin()
    allow_execution(with_libraries(programs.parent), identity)
    sockets = folder.make_socket_folder(data, identity)
    allow_traversal([programs, cluster, sockets], identity)
    log = folder.rotate_log(data, "postgres")
    if cluster.exists():
        _check_version(cluster)
        leftovers = [cluster / "postmaster.pid", sockets / ".s.PGSQL.5432.lock", sockets / ".s.PGSQL.5432"]
        if any(path.exists() for path in leftovers):
            stop_orphans(cluster, "postgres", signal.SIGINT)
            # The process id in them may belong to another program or a zombie; PostgreSQL would refuse to start.
            for path in leftovers:
                path.unlink(missing_ok=True)
    else:
        _initialise(data, cluster, identity, log, durable=not unsafe)
    settings = SETTINGS | unsafe | {"unix_socket_directories": str(sockets)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Engine(
        "PostgreSQL",
        _url(data, sockets),
        [programs / "postgres", "-D", cluster, *options],
        identity,
        log=log,
        lock=lock,
        stop_signals=STOP_SIGNALS,
        is_ready=partial(_is_ready, cluster / "postmaster.pid"),
    )


def _is_ready(status_file: Path, pid: int) -> bool:
    # The socket answers long before recovery is done; the status file reports "ready" afterwards.
    try:
        lines = status_file.read_text().splitlines()
    except OSError:
        return False
    return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:8]] == ["ready"]


def _check_version(cluster: Path) -> None:
    try:
        version = (cluster / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EngineError(
            f"{cluster} is not a PostgreSQL data folder. Restore it from a backup, or choose another data folder."
        ) from error
    if version != str(POSTGRES_MAJOR):
        raise EngineError(
            f"{cluster} was written by PostgreSQL {version}, but NextBuy runs PostgreSQL {POSTGRES_MAJOR}. "
            f"Move the data with pg_dump {version}, or choose another data folder."
        )


def _initialise(data: Path, cluster: Path, identity: Identity, log: Path, *, durable: bool) -> None:
    folder.require_space(data)
    # Created under another name first, so that the final one is always complete.
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
        raise cannot_use(cluster, error) from error
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
        output = log.read_bytes()[log_start:].decode(errors="replace")
        if "No space left on device" in output:
            raise disk_full(unfinished)
        reasons = (
            [line for line in output.splitlines() if "error:" in line or "FATAL" in line]
            or output.splitlines()[-1:]
            or ["no output"]
        )
        raise EngineError(f'PostgreSQL could not create its data: "{reasons[0].strip()}". See {log}.')


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)


def _url(data: Path, sockets: Path) -> str:
    path = data / "postgres.password"
    try:
        password = path.read_text()
    except OSError as error:
        raise EngineError(
            f"Cannot read {path}. Restore it from a backup of this data folder, or choose another data folder."
        ) from error
    return f"postgresql://postgres:{password}@/postgres?host={quote(str(sockets), safe='')}"

"""The data folder: created, checked, and locked by one marketplace at a time."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TextIO

from nextbuy.embedded.errors import EngineError, cannot_use, disk_full, not_writable
from nextbuy.embedded.identity import Identity

MIN_FREE_BYTES = 200 * 1024 * 1024
MAX_SOCKET_FOLDER = 80
"""Bytes. A socket's path has at most 107 (104 on macOS), and PostgreSQL appends "/.s.PGSQL.5432.lock"."""
MAX_LOG_BYTES = 10 * 1024 * 1024


def prepare(data: Path) -> Path:
    """Create the data folder if missing, and return its absolute path."""
    data = data.absolute()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_use(data, error) from error
    if not os.access(data, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise not_writable(data)
    return data


def lock(data: Path, engine: str) -> TextIO:
    """Lock an engine's data for this process, until the returned file is closed or the process ends."""
    path = data / f"{engine}.lock"
    try:
        file = path.open("a+")
    except OSError as error:
        raise cannot_use(path, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise EngineError(
            f"NextBuy already runs on {data} (process {holder}). Stop it first, or choose another data folder."
        ) from error
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as error:
        file.close()
        raise cannot_use(path, error) from error
    return file


def require_space(data: Path) -> None:
    """Check that the disk has room for a new database."""
    if shutil.disk_usage(data).free < MIN_FREE_BYTES:
        raise disk_full(data)


def socket_folder(data: Path) -> Path:
    """Return the folder of the sockets: in the data folder, or in the temporary folder if the path is too long.

    The name depends on the data folder only, so that other processes find the sockets.
    """
    inside = data.absolute() / "run"
    if len(os.fsencode(inside)) <= MAX_SOCKET_FOLDER:
        return inside
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"nextbuy-{digest}"


def make_socket_folder(data: Path, identity: Identity) -> Path:
    """Create the folder of the sockets, accessible to the engines' user only."""
    folder = socket_folder(data)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # In a shared temporary folder, another user may have created this name in order to intercept connections.
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid not in {os.geteuid(), identity.uid}:
            raise EngineError(
                f"{folder} belongs to another user. Have it removed, or move the data to a folder with a short path."
            )
        identity.own(folder)
        folder.chmod(0o700)
    except OSError as error:
        raise cannot_use(folder, error) from error
    return folder


def rotate_log(data: Path, engine: str) -> Path:
    """Rotate an engine's log if it is large, and return its path."""
    path = data / f"{engine}.log"
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(data / f"{engine}.log.1")
    return path

"""The data folder: made, found writable, and held by one marketplace at a time."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TextIO

from nextbuy.embedded.errors import EngineError, disk_full, not_writable, unusable
from nextbuy.embedded.identity import Identity

ROOM_NEEDED = 200 * 1024 * 1024
# The kernel takes 107 bytes (104 on macOS), and PostgreSQL puts "/.s.PGSQL.5432.lock" after the folder.
LONGEST_SOCKET_FOLDER = 80
LARGEST_LOG = 10 * 1024 * 1024


def prepare(data: Path) -> Path:
    """Makes the data folder.

    Args:
        data: the folder, absolute or from the current one.

    Returns:
        Its absolute path.

    Raises:
        EngineError: it cannot be made, or cannot be written.
    """
    data = data.absolute()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(data, error) from error
    if not os.access(data, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise not_writable(data)
    return data


def hold(data: Path, engine: str) -> TextIO:
    """Takes an engine of a data folder for this process, until the returned file is closed or the process is gone.

    Args:
        data: the data folder.
        engine: the engine's name: each is held by itself.

    Raises:
        EngineError: another marketplace runs on this folder.
    """
    path = data / f"{engine}.lock"
    try:
        file = path.open("a+")
    except OSError as error:
        raise unusable(path, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise EngineError(
            f"NextBuy already runs on {data} (process {holder}): stop that one first, or choose another data folder."
        ) from error
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as error:
        file.close()
        raise unusable(path, error) from error
    return file


def need_room(data: Path) -> None:
    """Refuses to begin what a small disk would break off half-way.

    Raises:
        EngineError: less than 200 MB are free.
    """
    if shutil.disk_usage(data).free < ROOM_NEEDED:
        raise disk_full(data)


def socket_folder(data: Path) -> Path:
    """Where the engines' sockets are.

    That is in the data folder, or where its path is too long for a socket, in the system's temporary folder. The name
    follows from the data folder alone, so that another process finds the sockets.

    Args:
        data: the data folder.
    """
    near = data.absolute() / "run"
    if len(os.fsencode(near)) <= LONGEST_SOCKET_FOLDER:
        return near
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"nextbuy-{digest}"


def make_socket_folder(data: Path, identity: Identity) -> Path:
    """Makes the folder of the sockets, for the engines' user alone.

    Args:
        data: the data folder.
        identity: the user that the engines run as.

    Raises:
        EngineError: it cannot be made, or somebody else made it.
    """
    folder = socket_folder(data)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # In a folder that everybody may write, another user could have put one of that name there, to listen in.
        found = folder.lstat()
        if folder.is_symlink() or found.st_uid not in {os.geteuid(), identity.uid}:
            raise EngineError(
                f"{folder} was made by somebody else: remove it, or choose a data folder with a shorter path."
            )
        identity.own(folder)
        folder.chmod(0o700)
    except OSError as error:
        raise unusable(folder, error) from error
    return folder


def open_log(data: Path, engine: str) -> Path:
    """The engine's log, to be appended to; one that has grown large is set aside first, in the place of the one before.

    Args:
        data: the data folder.
        engine: the engine's name.
    """
    path = data / f"{engine}.log"
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(data / f"{engine}.log.1")
    return path

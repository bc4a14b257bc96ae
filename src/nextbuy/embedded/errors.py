"""Errors of the engines, as messages for the operator at the terminal."""

import errno
from pathlib import Path


class EngineError(Exception):
    """An engine that cannot run here. Its message names the problem, then the remedy; no traceback is shown."""


def cannot_use(path: Path, error: OSError) -> EngineError:
    """Return the error for a file or folder that the system refuses."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return disk_full(path)
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return not_writable(path)
        case errno.ENOTDIR | errno.EEXIST:
            return EngineError(f"{path} is not a folder. Move it, or choose another data folder.")
        case _:
            return EngineError(f"Cannot use {path}: {error.strerror}. Fix this, or choose another data folder.")


def not_writable(path: Path) -> EngineError:
    """Return the error for a file or folder that this user may not write."""
    return EngineError(
        f"This user cannot write {path}. Change its owner to the user that runs NextBuy, or choose another data folder."
    )


def disk_full(path: Path) -> EngineError:
    """Return the error for a full disk."""
    return EngineError(f"The disk with {path} is full. Free at least 200 MB, or choose a data folder on another disk.")

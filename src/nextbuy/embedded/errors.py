"""What is said to a person when an engine cannot run."""

import errno
from pathlib import Path


class EngineError(Exception):
    """An engine cannot run here.

    The message is one sentence for the person at the terminal: what is wrong, and what to do about it. It is shown as
    it is, with no traceback.
    """


def unusable(path: Path, error: OSError) -> EngineError:
    """The sentence for a file or folder that the system refuses us.

    Args:
        path: what was to be made or written.
        error: what the system answered.
    """
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return disk_full(path)
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return not_writable(path)
        case errno.ENOTDIR | errno.EEXIST:
            return EngineError(
                f"{path} is in the way, for a folder must be there: move it, or choose another data folder."
            )
        case _:
            return EngineError(f"{path} cannot be used ({error.strerror}): mend that, or choose another data folder.")


def not_writable(path: Path) -> EngineError:
    """The sentence for a file or folder of another user.

    Args:
        path: what was to be written.
    """
    return EngineError(
        f"{path} cannot be written by this user: give it to the user that runs NextBuy, or choose another data folder."
    )


def disk_full(path: Path) -> EngineError:
    """The sentence for a disk with no room left.

    Args:
        path: where it was to be written.
    """
    return EngineError(
        f"The disk that holds {path} is full: free at least 200 MB there, or choose a data folder on another disk."
    )

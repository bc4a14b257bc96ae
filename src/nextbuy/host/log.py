"""Where the lines of a process go."""

import os
from pathlib import Path
from typing import Final

from nextbuy.kit.config import ConfigError
from nextbuy.kit.observability.telemetry import Journal, route_logging

NAME: Final = "nextbuy.log"
_LARGEST: Final = 64 * 1024 * 1024


def open_journal(data: Path | None, level: str) -> Journal:
    """Return the journal of this process: a file under `data`, or standard output where that is None.

    A file that has grown large is put aside at the start as `nextbuy.log.1`. Lines are appended whole, so several
    processes may share it.

    Raises:
        ConfigError: the file cannot be opened.
    """
    if data is None:
        descriptor = 1
    else:
        path = data / NAME
        try:
            if path.exists() and path.stat().st_size > _LARGEST:
                path.replace(path.with_name(f"{NAME}.1"))
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            message = f"The log {path} cannot be written: {error.strerror}."
            raise ConfigError(message) from error
    journal = Journal(descriptor)
    route_logging(journal, level=level.upper())
    return journal

"""The destination of a process's log lines."""

import os
from pathlib import Path
from typing import Final

from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.observability.telemetry import Journal, route_logging

LOG_NAME: Final = "nextbuy.log"
"""The name of the log in the data folder."""
_MAX_BYTES: Final = 64 * 1024 * 1024


def open_journal(data: Path | None, level: str) -> Journal:
    """Return the journal of this process: a file in the folder `data`, or standard output if that is None.

    A large file is rotated at the start. Lines are appended whole, so several processes may share the file.

    Raises:
        ConfigError: the file cannot be opened.
    """
    if data is None:
        descriptor = 1
    else:
        path = data / LOG_NAME
        try:
            if path.exists() and path.stat().st_size > _MAX_BYTES:
                path.replace(path.with_name(f"{LOG_NAME}.1"))
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            message = f"Cannot write the log {path}: {error.strerror}. Choose another folder with --data."
            raise ConfigError(message) from error
    journal = Journal(descriptor)
    route_logging(journal, level=level.upper())
    return journal

"""The installation's secret, from which identities, passwords and signatures are derived."""

import os
import secrets
from pathlib import Path
from typing import Final

from nextbuy.kit.config_values import ConfigError

_MIN_LENGTH: Final = 16


def installation_secret(data: Path) -> bytes:
    """Return the secret in the data folder; create it at the first start, readable by this user alone.

    Raises:
        ConfigError: the folder cannot be written, or the secret in it is too short.
    """
    path = data / "secret"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        secret = path.read_bytes().strip()
    except OSError as error:
        message = f"Cannot use the data folder {data}: {error.strerror}. Choose another with --data."
        raise ConfigError(message) from error
    if len(secret) < _MIN_LENGTH:
        message = f"The secret in {path} is too short. Restore the file from a backup, or set NEXTBUY_SECRET."
        raise ConfigError(message)
    return secret

"""The installation's secret: given, or made once and kept in the data folder for nobody else to read."""

import os
import secrets
from pathlib import Path

from nextbuy.kit.config import ConfigError


def kept_secret(data: Path) -> bytes:
    """Return the secret kept under `data`; make one at the first start.

    Raises:
        ConfigError: the folder cannot be written, or what is kept there is too short to be the secret.
    """
    path = data / "secret"
    try:
        data.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        secret = path.read_bytes().strip()
    except OSError as error:
        message = f"The data folder {data} cannot be used: {error.strerror}. Choose another with --data or DATA=."
        raise ConfigError(message) from error
    if len(secret) < 16:  # noqa: PLR2004
        message = f"{path} is damaged: put the secret back, or set NEXTBUY_SECRET."
        raise ConfigError(message)
    return secret

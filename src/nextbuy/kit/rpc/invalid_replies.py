"""The field and the value for which a reply is refused, for the log."""

import re
from typing import Final

import msgspec

_MAX_SHOWN: Final = 200
"""Characters of a value in the log."""
_PATH: Final = re.compile(r"`\$([^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def shown(value: object) -> str:
    """Return a value as one line of at most `_MAX_SHOWN` characters."""
    return repr(value)[:_MAX_SHOWN]


def invalid_field(error: Exception, body: bytes) -> tuple[str, object]:
    """Return the path and the value of the field for which a body is invalid.

    Where the value cannot be found, it is that of the object around it, or the beginning of a body that is not JSON.
    """
    found = _PATH.search(str(error))
    path = found[1].lstrip(".") if found else ""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return path, bytes(body[:_MAX_SHOWN])
    for name, index in _STEP.findall(f".{path}"):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and index and int(index) < len(value):
            value = value[int(index)]
        else:
            break
    return path, value

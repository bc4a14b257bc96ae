"""The description of an invalid reply for the log: the field that is wrong, and its value in one short line."""

import re
from typing import Final

import msgspec

from nextbuy.kit.observability.redaction import redact

_MAX_VALUE: Final = 200
"""Characters of a value in the log."""
_PATH: Final = re.compile(r"`\$([^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def shorten(value: object) -> str:
    """Return a value as one line of at most `_MAX_VALUE` characters, without secrets."""
    return redact(repr(value)[: 4 * _MAX_VALUE])[:_MAX_VALUE]


def invalid_field(error: Exception, body: bytes) -> tuple[str, object]:
    """Return the path and the value of the field for which a body is invalid.

    If the field is missing, the value is the object around it; if the body is not JSON, its beginning.
    """
    found = _PATH.search(str(error))
    path = found[1].lstrip(".") if found else ""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return path, bytes(body[:_MAX_VALUE])
    for name, index in _STEP.findall(f".{path}"):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and index and int(index) < len(value):
            value = value[int(index)]
        else:
            break
    return path, value

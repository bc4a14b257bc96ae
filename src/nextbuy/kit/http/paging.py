"""Cursors: the position of a page in a list, as opaque text."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from nextbuy.contracts.errors import Unprocessable

Part = str | int | UUID | datetime
_LARGEST: Final = 2**63 - 1
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


InvalidCursor: Final = Unprocessable.of("invalid-cursor", "Invalid cursor. Request the first page again.")


def encode_cursor(*parts: Part) -> str:
    """Return the cursor of the page after an item, from the item's sort key."""
    return urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *types: type[Part]) -> tuple[Any, ...]:
    """Return the sort key in a cursor, if its parts have these types; raise InvalidCursor if they do not."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        parts: tuple[Any, ...] = msgspec.json.decode(raw, type=tuple[types])  # type: ignore[valid-type]
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise InvalidCursor from error
    if not all(map(_storable, parts)):
        raise InvalidCursor
    return parts


def _storable(part: Part) -> bool:
    """Return whether PostgreSQL accepts a value, which may be forged."""
    match part:
        case datetime():
            return part.tzinfo is not None and _FIRST_YEAR <= part.year <= _LAST_YEAR
        case int():
            return abs(part) <= _LARGEST
        case str():
            return "\0" not in part
        case _:
            return True

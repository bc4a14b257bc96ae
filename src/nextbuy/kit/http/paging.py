"""Cursors: the position of a page in one list, as opaque text.

A list is its name, order, filters, words and, if it is personal, its account; a cursor of another list is refused.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2s
from typing import Any, Final
from uuid import UUID

import msgspec

from nextbuy.contracts.errors import Unprocessable

Part = str | int | UUID | datetime
_LARGEST: Final = 2**63 - 1
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


InvalidCursor: Final = Unprocessable.of("invalid-cursor", "Invalid cursor. Request the first page again.")


def encode_cursor(listed: Sequence[object], *parts: Part) -> str:
    """Return the cursor of the page after an item, from the item's sort key.

    `listed` identifies the list: its name, order, filters, words and account, as values that JSON can hold.
    """
    return urlsafe_b64encode(msgspec.json.encode((_fingerprint(listed), *parts))).rstrip(b"=").decode()


def decode_cursor(listed: Sequence[object], cursor: str, *types: type[Part]) -> tuple[Any, ...]:
    """Return the sort key in a cursor of the list `listed`; its parts have these types.

    Raises:
        InvalidCursor: it belongs to another list, or is malformed.
    """
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        fingerprint, *parts = msgspec.json.decode(raw, type=tuple[str, *types])  # type: ignore[valid-type]
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise InvalidCursor from error
    if fingerprint != _fingerprint(listed) or not all(map(_storable, parts)):
        raise InvalidCursor
    return tuple(parts)


def _fingerprint(listed: Sequence[object]) -> str:
    return blake2s(msgspec.json.encode(listed), digest_size=6).hexdigest()


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

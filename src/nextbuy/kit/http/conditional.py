"""Conditional requests: the entity tags of If-Match and If-None-Match (RFC 9110, 13.1).

A proxy that compresses a response may append `-gzip` to its ETag, inside the quotes. The suffix is ignored, because it
names an encoding of the same version.
"""

import re
from collections.abc import Mapping
from typing import Final

from nextbuy.contracts.errors import BadRequest

IF_MATCH: Final = "if-match"
IF_NONE_MATCH: Final = "if-none-match"
MAX_TAGS: Final = 20
"""The highest number of entity tags in one If-Match: clients send one, or the few versions that they know."""
_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST: Final = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_TAGS: Final = re.compile(_TAG)
_GZIP: Final = '-gzip"'

InvalidIfMatch: Final = BadRequest.of(
    "if-match-invalid", 'Invalid If-Match. Send the ETag that you read, with its quotes, like "3.1005".'
)


def if_match(headers: Mapping[str, str]) -> list[str] | None:
    """Return the entity tags of If-Match, in their quotes, or None without a condition.

    One of them must name the current version. `*` holds for everything that exists, as if it were not sent. A weak tag
    never matches (RFC 9110, 8.8.3.2) and is left out.

    Raises:
        BadRequest: the header is not a list of entity tags, or has more than `MAX_TAGS`.
    """
    header = headers.get(IF_MATCH)
    if header is None or header.strip() == "*":
        return None
    if not _LIST.fullmatch(header):
        raise InvalidIfMatch
    tags = _TAGS.findall(header)
    if len(tags) > MAX_TAGS:
        raise InvalidIfMatch(f"If-Match has too many entity tags. Send at most {MAX_TAGS}.")
    return [_without_encoding(tag) for tag in tags if not tag.startswith("W/")]


def none_match(headers: Mapping[str, str], etag: str) -> bool:
    """Return whether If-None-Match names this version, so that the client has it already (compared weakly)."""
    header = headers.get(IF_NONE_MATCH)
    if header is None:
        return False
    known = {_without_encoding(tag.removeprefix("W/")) for tag in _TAGS.findall(header)}
    return header.strip() == "*" or etag.removeprefix("W/") in known


def _without_encoding(tag: str) -> str:
    return f'{tag.removesuffix(_GZIP)}"' if tag.endswith(_GZIP) else tag

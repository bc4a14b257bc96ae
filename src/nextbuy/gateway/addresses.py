"""Which addresses lead to a service: an allow-list over the raw path, so that no other spelling gets through."""

import re
from collections.abc import Iterable
from typing import Final

PATH_LIMIT: Final = 2_000
QUERY_LIMIT: Final = 4_000
_SEGMENTS: Final = r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+"
"""Unreserved characters alone (RFC 3986, 2.3): no percent-encoding, no empty segment, no `.` and no `..`."""
_PAGE: Final = re.compile(rf"{_SEGMENTS}/?|/".encode())
_OTHER_CHARACTERS: Final = re.compile(r"[^!-~]")


class Addresses:
    """The addresses of some services."""

    def __init__(self, services: Iterable[str]) -> None:
        """Lead to these services, by name."""
        names = "|".join(map(re.escape, sorted(services)))
        self._api = re.compile(rf"/({names})/api{_SEGMENTS}".encode())
        self._anything = re.compile(rf"/({names})/(api|internal)(/.*)?".encode(), re.IGNORECASE | re.DOTALL)

    def service(self, raw_path: bytes) -> str | None:
        """Return the service that a path leads to: `/<service>/api/…`, spelt in the one right way; else None."""
        match = self._api.fullmatch(raw_path)
        return None if match is None else match[1].decode()

    def may_be_page(self, raw_path: bytes) -> bool:
        """Tell whether a path may be one of the shop's pages: plainly spelt, and unlike a service's."""
        return _PAGE.fullmatch(raw_path) is not None and self._anything.fullmatch(raw_path) is None


def clean_query(raw: bytes) -> str:
    """Return a query as text; UTF-8 that a client left bare is percent-encoded, as it should have been."""
    text = raw.decode("latin-1")
    if text.isascii():
        return text
    return _OTHER_CHARACTERS.sub(lambda found: f"%{ord(found[0]):02X}", text)

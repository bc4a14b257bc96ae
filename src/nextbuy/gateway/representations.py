"""Responses as one client gets them: compressed, with an entity tag and the rules for caches, or 304.

A response with the header `AGE` is the same for everybody. A stranger, who sends nothing that names a person, gets it
as public: other caches may store it for one second, unless its data is a second old already, so that all caches
together stay below two seconds. Everybody else gets it as private.

Each content is hashed once for any number of requests, and compressed when a client first accepts gzip. Contents are
looked up by their bytes, whose hash Python computes once per object.

Only responses to GET are compressed. Compression reveals secrets beside reflected input by their length (BREACH);
tokens are in responses to POST alone, and no page has a token of a person.
"""

import gzip
import time
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from nextbuy.kit.bounded_cache import BoundedCache
from nextbuy.kit.http.conditional import none_match
from nextbuy.kit.http.content_coding import accepts_gzip
from nextbuy.kit.http.tokens import is_stranger
from nextbuy.kit.wire import AGE, READS, Request, Response, StreamedResponse

_MIN_SIZE: Final = 1_000
"""Bytes. A shorter body fits into one packet anyway."""
_LEVEL: Final = 5
"""Of gzip. Higher levels take twice the time for one percent."""
_COMPRESSED: Final = ("application/json", "application/problem+json", "text/html", "text/csv", "application/xml")
_VARY: Final = "Accept-Encoding, Authorization, Cookie"
_MAX_CONTENTS: Final = 5_000
_PUBLIC_SECONDS: Final = 1.0
"""Seconds. The age at which the data of a response is too old to be stored by other caches."""


class _Content(Struct):
    etag: str
    compressed: bytes = b""
    """Empty until a client has accepted gzip."""


class Representations:
    """The entity tags and compressed contents of the public responses of one process."""

    def __init__(self, *, max_bytes: int = 32 * 1024 * 1024) -> None:
        """Store contents of up to `max_bytes`, compressed ones included; the oldest are evicted first."""
        self.contents: BoundedCache[bytes, _Content] = BoundedCache(max_values=_MAX_CONTENTS, max_bytes=max_bytes)

    async def negotiate(self, request: Request, response: Response, started: float) -> Response:
        """Return the representation of a response for one client.

        Args:
            request: the client's request.
            response: the response of a service or a page.
            started: the time (`time.perf_counter`) since which the data has aged further.
        """
        if request.method not in READS or response.status != 200:  # noqa: PLR2004
            return response
        age = _age_of(response)
        if type(response) is StreamedResponse:
            if age is None or response.chunks is None:
                return response
            response = await response.whole()
        compress = accepts_gzip(request.headers.get("accept-encoding", ""))
        if age is None:
            return _compressed_alone(response) if compress else response
        content = self._content(response.body)
        dropped = {AGE, "cache-control", "etag"}
        headers = [pair for pair in response.headers if pair[0] not in dropped]
        age += time.perf_counter() - started
        headers += _cache_rules(request.headers, age, personal="set-cookie" in dict(headers))
        etag = next((value for name, value in response.headers if name == "etag"), content.etag)
        compress = compress and _is_compressible(response.body, response.content_type)
        headers.append(("etag", _gzip_etag(etag) if compress else etag))
        if none_match(request.headers, etag):
            return Response(304, content_type="", headers=headers)
        if not compress:
            return Response(200, response.body, response.content_type, headers)
        headers.append(("content-encoding", "gzip"))
        return Response(200, self._compressed(response.body, content), response.content_type, headers)

    def _content(self, body: bytes) -> _Content:
        content = self.contents.get(body)
        if content is None:
            content = _Content(f'"{blake2b(body, digest_size=12).hexdigest()}"')
            self.contents.insert(body, content, len(body))
        return content

    def _compressed(self, body: bytes, content: _Content) -> bytes:
        if not content.compressed:
            content.compressed = _compress(body)
            self.contents.insert(body, content, len(body) + len(content.compressed))
        return content.compressed


def _age_of(response: Response) -> float | None:
    """Return the age of the data of a response in seconds; None if the response may be different for each person."""
    return next((float(value) for name, value in response.headers if name == AGE), None)


def _cache_rules(request_headers: Mapping[str, str], age: float, *, personal: bool) -> list[tuple[str, str]]:
    if personal or not is_stranger(request_headers):
        return [("vary", _VARY), ("cache-control", "private, no-cache")]
    # A cache that ignores Age must not store old data for another second.
    seconds = 1 if age < _PUBLIC_SECONDS else 0
    return [
        ("vary", _VARY),
        ("cache-control", f"public, max-age=0, s-maxage={seconds}"),
        ("age", str(int(age))),
    ]


def _compressed_alone(response: Response) -> Response:
    """Return a response that is one person's, compressed if that is worth it."""
    names = {name for name, _ in response.headers}
    if "content-encoding" in names or not _is_compressible(response.body, response.content_type):
        return response
    headers = [(name, _gzip_etag(value) if name == "etag" else value) for name, value in response.headers]
    headers += [("content-encoding", "gzip"), ("vary", "Accept-Encoding")]
    return Response(200, _compress(response.body), response.content_type, headers)


def _is_compressible(body: bytes, content_type: str) -> bool:
    return len(body) >= _MIN_SIZE and content_type.partition(";")[0] in _COMPRESSED


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)


def _gzip_etag(etag: str) -> str:
    """Return the entity tag of the compressed representation (RFC 9110, 8.8.3.3), in the form that nginx has."""
    return f'{etag[:-1]}-gzip"'

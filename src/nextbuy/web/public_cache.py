"""Responses for strangers in the memory of this process, as long as their data is fresh: pages, and replies of the API.

A response with the header `AGE` is the same for all strangers. It is stored until its oldest part would be `MAX_AGE`
old, so its age is the age of its data and not added to it. Strangers who request a page at once share one rendering,
and pages at once share one request to the API. A visitor who sends a token or one of our cookies gets their own.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from nextbuy.kit.bounded_cache import BoundedCache
from nextbuy.kit.http.tokens import is_stranger
from nextbuy.kit.wire import AGE, READS, Handler, Request, Response

MAX_AGE: Final = 1.5
"""Seconds. As old as cached products become; the rest of the promised two seconds is for sending the page."""
_OVERHEAD: Final = 2_000
"""Approximate bytes of a stored response besides its body."""


class _Stored(Struct, frozen=True):
    as_of: float
    response: Response


class PublicCache:
    """The public responses of one handler, bounded by entries and by bytes; the oldest are evicted first."""

    def __init__(
        self,
        handle: Handler,
        now: Callable[[], float] = time.monotonic,
        *,
        max_responses: int = 2_000,
        max_bytes: int = 32 * 1024 * 1024,
    ) -> None:
        """Cache the responses of `handle`; `now` returns monotonic seconds."""
        self._handle = handle
        self._now = now
        self._stored: BoundedCache[str, _Stored] = BoundedCache(max_values=max_responses, max_bytes=max_bytes)
        self._under_way: dict[str, asyncio.Task[Response]] = {}

    async def answer(self, request: Request) -> Response:
        """Return a response, a new one unless a fresh one is the same for this visitor."""
        if request.method not in READS or not is_stranger(request.headers):
            return await self._handle(request)
        key = request.target
        stored = self._stored.get(key)
        if stored is not None and self._now() < stored.as_of + MAX_AGE:
            return self._aged(stored)
        under_way = self._under_way.get(key)
        if under_way is None:
            # A separate task: a visitor who leaves must not take the response from the others.
            under_way = self._under_way[key] = asyncio.create_task(self._request_and_store(key, request))
            return await asyncio.shield(under_way)
        await asyncio.wait({under_way})
        stored = self._stored.get(key)
        if stored is not None and self._now() < stored.as_of + MAX_AGE:
            return self._aged(stored)
        # The response is not the same for everybody, or an error.
        return await self._handle(request)

    async def _request_and_store(self, key: str, request: Request) -> Response:
        try:
            response = await self._handle(request)
            headers = dict(response.headers)
            age = float(headers.pop(AGE, math.inf))
            self._stored.remove(key)
            if age < MAX_AGE and "set-cookie" not in headers:
                self._stored.insert(key, _Stored(self._now() - age, response), len(response.body) + _OVERHEAD)
            return response
        finally:
            del self._under_way[key]

    def _aged(self, stored: _Stored) -> Response:
        response = stored.response
        age = (AGE, f"{self._now() - stored.as_of:.3f}")
        headers = [age if pair[0] == AGE else pair for pair in response.headers]
        return Response(response.status, response.body, response.content_type, headers)

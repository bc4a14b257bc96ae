"""The public API, as a page uses it: with the rights of one visitor, whose login session it renews."""

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Mapping
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import (
    AppError,
    BadGateway,
    BadRequest,
    Problem,
    Unauthenticated,
    Unavailable,
    from_problem,
)
from nextbuy.kit.http.idempotency import HEADER as IDEMPOTENCY_KEY
from nextbuy.kit.http.tokens import ACCESS_COOKIE, CSRF_COOKIE, CSRF_HEADER, REFRESH_COOKIE
from nextbuy.kit.wire import AGE, CLIENT, JSON, ORIGIN, PROBLEM, READS, REQUEST_ID, Handler, Request, Response, encode
from nextbuy.web.cookies import Cookies

Reply = TypeVar("Reply")

log: Final = logging.getLogger(__name__)

_FORWARDED: Final = (CLIENT, ORIGIN, REQUEST_ID, "host", "user-agent")
_COOKIES: Final = ("x-nextbuy-cookies", "yes")
"""The header by which a client requests its tokens as cookies."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that no header may have (RFC 9110, 5.5); hidden fields of forms become headers."""
_RENEWAL: Final = "/auth/api/refresh-session"
_IN_PROGRESS: Final = "in-progress"
_PAUSE: Final = 0.1
"""Seconds until a request is sent again that is still in progress."""
_ATTEMPTS: Final = 20
_SECONDARY_TIMEOUT: Final = 1.5
"""Seconds for a part without which a page is still useful."""


class Ignored(Struct):
    """A reply that a page does not read."""


class Api:
    """The API for one visitor."""

    def __init__(self, send: Handler, request: Request) -> None:
        """Send requests for the visitor who sent `request` to a page."""
        self.cookies = Cookies(request.headers.get("cookie", ""))
        self._send = send
        self._trace = request.trace
        self._forwarded = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        self._renewal: asyncio.Task[bool] | None = None
        self.as_of = time.monotonic()
        """The time from which on the replies so far may lack changes; minus infinity if one is missing."""

    @property
    def has_session(self) -> bool:
        """Whether the browser has tokens of a login session, valid or not."""
        return bool(self.cookies.get(ACCESS_COOKIE) or self.cookies.get(REFRESH_COOKIE))

    async def get(self, path: str, reply: type[Reply], /, **query: str | int | bool | None) -> Reply:
        """Read a resource; values of the query that are None or empty are omitted.

        Raises:
            AppError: the error of the API.
        """
        given = {name: str(value) for name, value in query.items() if value not in {None, ""}}
        return _decode(await self._exchange("GET", path, urlencode(given), b"", {}), reply)

    async def send(
        self, method: str, path: str, body: object, reply: type[Reply], *, key: str = "", etag: str = ""
    ) -> Reply:
        """Send a request that changes something, at most once per idempotency key; with `etag`, that version only.

        A form that is sent twice at once, as by a double click, gets the response to its first request both times.

        Raises:
            AppError: the error of the API.
        """
        headers = {"content-type": JSON, _COOKIES[0]: _COOKIES[1]}
        headers |= {IDEMPOTENCY_KEY: key} if key else {}
        headers |= {"if-match": etag} if etag else {}
        left = _ATTEMPTS
        while True:
            left -= 1
            try:
                return _decode(await self._exchange(method, path, "", encode(body), headers), reply)
            except AppError as error:
                if error.slug != _IN_PROGRESS or not left:
                    raise
            await asyncio.sleep(_PAUSE)

    async def _exchange(self, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> Response:
        # A new session also has a new CSRF token, without which the API refuses changes.
        if not self.cookies.get(ACCESS_COOKIE) or (method not in READS and not self.cookies.get(CSRF_COOKIE)):
            await self._renewed()
        try:
            return await self._send_once(method, path, query, body, headers)
        except Unauthenticated as error:
            if error.slug == "wrong-login" or not await self._renewed():
                raise
        return await self._send_once(method, path, query, body, headers)

    async def _send_once(self, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> Response:
        sent = {**self._forwarded, "accept": JSON, "cookie": self.cookies.header, **headers}
        if method not in READS:
            # A form of another site has been refused before (`app.py`).
            sent[CSRF_HEADER] = self.cookies.get(CSRF_COOKIE)
        if any(map(_CONTROL.search, sent.values())):
            raise BadRequest(
                "This form has an invalid hidden field. Open its page again, and send the form from there."
            )
        sent_at = time.monotonic()
        try:
            response = await self._send(Request(method, path, query, sent, body, trace=self._trace))
            self.cookies.apply(response.headers)
            if response.status >= 400:  # noqa: PLR2004
                raise _error(response)
        except BaseException:
            # A page without a part of it must not be shown once the part is there again.
            self.as_of = -math.inf
            raise
        age = next((float(value) for name, value in response.headers if name == AGE), 0.0)
        self.as_of = min(self.as_of, sent_at - age)
        return response

    async def _renewed(self) -> bool:
        """Renew the session, once per page; return whether there is a new access token."""
        if self._renewal is None:
            if not self.cookies.get(REFRESH_COOKIE):
                return False
            self._renewal = asyncio.create_task(self._renew(self.cookies.get(REFRESH_COOKIE)))
        return await asyncio.shield(self._renewal)

    async def _renew(self, token: str) -> bool:
        # Pages that a browser requests at once have the same token, hence the same key, and get the same answer. Other
        # cookies, which may have changed between them, are left out.
        key = sha256(token.encode()).hexdigest()
        headers = {"content-type": JSON, IDEMPOTENCY_KEY: key, "cookie": "", _COOKIES[0]: _COOKIES[1]}
        for _ in range(_ATTEMPTS):
            try:
                await self._send_once("POST", _RENEWAL, "", encode({"refresh_token": token}), headers)
            except AppError as error:
                if error.slug == _IN_PROGRESS:
                    await asyncio.sleep(_PAUSE)
                    continue
                if not error.transient:
                    self.cookies.end_session()
                return False
            return True
        return False


async def secondary(reply: Awaitable[Reply]) -> Reply | None:
    """Return a reply without which the page is still useful, or None if the API refuses it or takes too long."""
    try:
        async with asyncio.timeout(_SECONDARY_TIMEOUT):
            return await reply
    except (TimeoutError, AppError):
        return None


def _decode(response: Response, reply: type[Reply]) -> Reply:
    try:
        return msgspec.json.decode(response.body or b"{}", type=reply)
    except msgspec.ValidationError as error:
        log.exception("invalid reply of the API; the page is answered with an error")
        raise BadGateway from error


def _error(response: Response) -> AppError:
    retry_after = next((float(value) for name, value in response.headers if name == "retry-after"), None)
    if response.content_type != PROBLEM:
        return Unavailable(retry_after=retry_after)
    problem: Any = msgspec.json.decode(response.body, type=Problem)
    return from_problem(problem, retry_after=retry_after)

"""Server-Sent Events that say that something changed for an account, and carry no data.

One poll finds the changes for all streams of a process. A stream ends after `LIFETIME`, and its
client opens another; it ends earlier if its login session has ended. Streams are bounded: a client that is refused
polls instead.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.telemetry import SpanContext
from nextbuy.kit.storage.changes import Snapshot, read_changes
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import EVENT_STREAM, Request, Response, StreamedResponse

LIFETIME: Final = 60.0
"""Seconds. A stream whose client has vanished unnoticed takes up no room any longer."""
HEARTBEAT: Final = 15.0
"""Seconds between comments, which show each end that the other is there. The login session is checked before each."""
MAX_STREAMS: Final = 200
"""Open streams of one service in one process: a fifth of the connections of its server."""
MAX_PER_ACCOUNT: Final = 5
MAX_CHANGES: Final = 1_000
"""Changes that are listed one by one; with more, everything counts as changed."""
_RECENT: Final = 5.0
"""Seconds. A change is also sent to streams that are opened this long after it: their pages may be older."""
_CHECK_TIMEOUT: Final = 3.0
_OPEN: Final = b": open\n\n"
_HEARTBEAT: Final = b": still open\n\n"
_CHANGED: Final = b"event: changed\ndata:\n\n"
_HEADERS: Final = [("cache-control", "no-store"), ("x-accel-buffering", "no")]
"""No proxy may store the events, or collect them before it passes them on."""

TooManyStreams: Final = Unavailable.of("too-many-streams", "Too many open streams. Close one, or poll instead.")


class ChangeStreams:
    """The open streams of one service in one process."""

    def __init__(self, database: Database, query: str) -> None:
        """Find changes by `query`, whose rows (`read_changes`) have an `account_id`, or true in `all_accounts`."""
        self._database = database
        self._query = query
        self._snapshot: Snapshot | None = None
        self._open: dict[asyncio.Event, UUID] = {}
        """The account of each open stream, by the event that notifies it."""
        self._changed_at: dict[UUID, float] = {}
        self._all_changed_at = -math.inf

    @property
    def count(self) -> int:
        """The number of open streams."""
        return len(self._open)

    def respond(self, request: Request, account_id: UUID, check_session: Callable[[], Awaitable[object]]) -> Response:
        """Return a stream for an account, which ends as soon as `check_session` raises an error that is not transient.

        Raises:
            TooManyStreams: the account, or all accounts together, have too many open streams.
        """
        self._require_room(account_id)
        if request.method == "HEAD":
            return Response(200, content_type=EVENT_STREAM, headers=_HEADERS)
        events = self._events(account_id, check_session, telemetry.current_span())
        return StreamedResponse(200, b"", EVENT_STREAM, _HEADERS, chunks=events)

    async def poll(self) -> None:
        """Notify the streams of the changes since the last poll; without streams, the next poll finds them."""
        if not self._open:
            return
        self._snapshot, rows = await read_changes(self._database, self._query, self._snapshot)
        now = time.monotonic()
        self._changed_at = {account: at for account, at in self._changed_at.items() if now - at < _RECENT}
        if rows is None or len(rows) > MAX_CHANGES or any(row["all_accounts"] for row in rows):
            self._all_changed_at = now
        else:
            self._changed_at |= dict.fromkeys((row["account_id"] for row in rows if row["account_id"]), now)
        for changed, account_id in self._open.items():
            if self._last_change(account_id) == now:
                changed.set()

    def _last_change(self, account_id: UUID) -> float:
        return max(self._all_changed_at, self._changed_at.get(account_id, -math.inf))

    def _require_room(self, account_id: UUID) -> None:
        own = sum(one == account_id for one in self._open.values())
        if own >= MAX_PER_ACCOUNT or len(self._open) >= MAX_STREAMS:
            raise TooManyStreams(retry_after=LIFETIME / 2)

    async def _events(
        self, account_id: UUID, check_session: Callable[[], Awaitable[object]], span: SpanContext
    ) -> AsyncGenerator[bytes, None]:
        try:
            # Again, because others may have taken the last places before this client began to read.
            self._require_room(account_id)
        except TooManyStreams:
            return
        changed = asyncio.Event()
        self._open[changed] = account_id
        opened = time.monotonic()
        if opened - self._last_change(account_id) < _RECENT:
            changed.set()
        check_at, ends = opened + HEARTBEAT, opened + LIFETIME
        try:
            yield _OPEN
            while time.monotonic() < ends:
                if await _is_set(changed, min(check_at, ends) - time.monotonic()):
                    changed.clear()
                    yield _CHANGED
                if time.monotonic() >= check_at:
                    if not await _is_valid(check_session, span):
                        return
                    check_at += HEARTBEAT
                    yield _HEARTBEAT
        finally:
            del self._open[changed]


async def _is_set(event: asyncio.Event, timeout: float) -> bool:
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def _is_valid(check_session: Callable[[], Awaitable[object]], span: SpanContext) -> bool:
    # The deadline of the request has long passed.
    set_deadline(_CHECK_TIMEOUT)
    with telemetry.use_span(span):
        try:
            await check_session()
        except AppError as error:
            return error.transient
    return True

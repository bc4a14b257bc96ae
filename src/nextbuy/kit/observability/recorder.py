"""The recorder sends the interactions of this process to the kafka service, which stores them for `nextbuy trace`.

Recording never blocks or fails a request. Lines wait here for `_INTERVAL`, and longer while the kafka service is
unavailable. Beyond `_MAX_WAITING`, a line of a purchase replaces the oldest, and any other is dropped; the log has all.
"""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from msgspec import UNSET, Struct

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.traces import MAX_KEYS, MAX_LINES_BYTES, Importance, TraceBatch, TracesClient, trace_key
from nextbuy.contracts.values import new_id
from nextbuy.kit.observability.ids import PURCHASE_KINDS
from nextbuy.kit.observability.interaction import BEHIND_THE_GATEWAY, FIRST_ERROR, SLOW, InteractionLine
from nextbuy.kit.observability.telemetry import Journal

log: Final = logging.getLogger(__name__)

_INTERVAL: Final = 1.0
"""Seconds between two calls, so that a call carries the interactions of many requests."""
_MAX_PAUSE: Final = 15.0
"""Seconds between two attempts while the kafka service is unavailable."""
_MAX_WAITING: Final = 20_000
"""Interactions that may wait: some 6 MB."""
_MAX_PER_CALL: Final = 4_000
"""Interactions of one call: their lines compress to some 200 kB."""
_PATH_ID: Final = 8
"""Characters of the shortest last part of a path that is indexed as an id."""
_STORY_PATH: Final = "/kafka/api/traces"
_ZLIB_LEVEL: Final = 1
"""A higher level costs more processor time than the space is worth."""
_PURCHASE_SERVICES: Final = frozenset({"order", "simulator"})
"""Services whose part in a trace makes it a purchase."""
_FIRST_FAILURE: Final = 500
_REQUESTS: Final = BEHIND_THE_GATEWAY | {"request"}


class _Recorded(Struct, frozen=True, gc=False):
    """An interaction that waits to be sent; `ids` are in the line's form."""

    line: bytes
    trace_id: str
    correlation_id: str
    ids: dict[str, Any] | None
    links: tuple[str, ...]
    path_id: str
    importance: Importance


class SilentJournal(Journal):
    """A journal for the recorder's own calls, which logs none: each would be recorded and cause another call."""

    def interaction(self, *_args: object, **_fields: object) -> None:
        """Discard the interaction."""


class TraceRecorder:
    """The recorder of one process."""

    def __init__(self, client: TracesClient) -> None:
        self._client = client
        self._waiting: deque[_Recorded] = deque(maxlen=_MAX_WAITING)
        self._recorded = asyncio.Event()
        self._unsent: list[TraceBatch] = []
        """The batches of a call that failed, which the next one sends again."""
        self._failing = False
        self._dropped = 0
        self._sending = asyncio.Lock()

    def record(self, interaction: InteractionLine, line: bytes, *, sampled: bool) -> None:
        """Queue an interaction."""
        importance = _importance(interaction, sampled=sampled)
        if len(self._waiting) == _MAX_WAITING:
            self._dropped += 1
            if importance is not Importance.PURCHASE:
                return
        self._waiting.append(
            _Recorded(
                line,
                interaction.trace_id,
                interaction.correlation_id,
                None if interaction.ids is UNSET else interaction.ids,
                () if interaction.links is UNSET else interaction.links,
                path_id(interaction.kind, interaction.name, interaction.status),
                importance,
            )
        )
        if not self._recorded.is_set():
            self._recorded.set()

    async def run(self) -> None:
        """Send the waiting interactions once per `_INTERVAL`, less often after failures, until cancelled."""
        pause = _INTERVAL
        while True:
            await self._recorded.wait()
            await asyncio.sleep(pause)
            pause = _INTERVAL if await self.flush() else min(2 * pause, _MAX_PAUSE)

    async def flush(self) -> bool:
        """Send the waiting interactions; return false if the kafka service did not store them."""
        async with self._sending:
            return await self._flush()

    async def _flush(self) -> bool:
        self._recorded.clear()
        # Interactions recorded meanwhile wait for the next flush; otherwise a flush might never end under load.
        left = len(self._waiting)
        while self._unsent or left > 0:
            if not self._unsent:
                count = min(left, _MAX_PER_CALL)
                left -= count
                self._unsent = batches_of([self._waiting.popleft() for _ in range(count)])
            try:
                await self._client.store_interactions(self._unsent)
            except AppError as error:
                if not self._failing:
                    log.warning(
                        "interactions not stored; retry scheduled, they are in the log",
                        extra={"slug": error.slug, "detail": str(error)},
                    )
                self._failing = True
                self._recorded.set()
                return False
            self._unsent = []
        if self._failing:
            log.info("interactions stored again", extra={"dropped": self._dropped})
        self._failing, self._dropped = False, 0
        return True


def batches_of(recorded: Iterable[_Recorded]) -> list[TraceBatch]:
    """Return interactions as batches, one per importance: a trace is as important as its most important line."""
    recorded = list(recorded)
    by_trace: dict[str, Importance] = {}
    for one in recorded:
        if one.importance > by_trace.get(one.trace_id, -1):
            by_trace[one.trace_id] = one.importance
    batches = []
    for importance in Importance:
        chosen = [one for one in recorded if by_trace[one.trace_id] is importance]
        if not chosen:
            continue
        lines = zlib.compress(b"\n".join([one.line for one in chosen]), _ZLIB_LEVEL)
        if len(lines) > MAX_LINES_BYTES:
            log.warning("interactions not stored: too many bytes", extra={"count": len(chosen)})
            continue
        keys = [trace_key(term) for term in _terms(chosen)]
        batches.append(TraceBatch(new_id(), importance, keys[:MAX_KEYS], lines))
    return batches


def _terms(recorded: Iterable[_Recorded]) -> set[str]:
    """Return everything under which these interactions are found."""
    terms: set[str] = set()
    ids: set[object] = set()
    for one in recorded:
        terms.add(one.trace_id)
        if one.correlation_id:
            terms.add(one.correlation_id)
        terms.update(one.links)
        if one.ids is not None:
            for some in one.ids.values():
                if isinstance(some, list):
                    ids.update(some)
                else:
                    ids.add(some)
        if one.path_id:
            terms.add(one.path_id)
    terms.update(map(str, ids))
    return terms


def path_id(kind: str, name: str, status: int) -> str:
    """Return the last part of a request's path, if it may be an id; otherwise an empty string.

    Successful reads belong to no story, because pages read an order again and again. Nor do requests for a story.
    """
    if kind != "request" or (status < FIRST_ERROR and name.startswith("GET ")):
        return ""
    before, _, last = name.rpartition("/")
    if before.endswith(_STORY_PATH):
        return ""
    return last if _PATH_ID <= len(last) < len(name) and any(map(str.isdigit, last)) else ""


_READS: Final = ("GET ", "get-", "list-", "read-", "validate-")
"""Prefixes of the names of reads. Anyone can send any number of sampled ones."""


def _importance(one: InteractionLine, *, sampled: bool) -> Importance:
    """Return the importance of an interaction by itself.

    Anyone can send reads and requests that are refused, so neither may displace the interactions of a purchase.
    """
    if not sampled and one.status < FIRST_ERROR and one.outcome == "ok" and one.ms < SLOW:
        return Importance.ROUTINE
    failed = one.status >= FIRST_ERROR or (one.outcome != "ok" and one.kind != "step")
    if one.kind == "request":
        failed = one.status >= _FIRST_FAILURE
    is_purchase = not one.name.startswith(_READS) and (
        one.caller in _PURCHASE_SERVICES
        or one.callee in _PURCHASE_SERVICES
        or not PURCHASE_KINDS.isdisjoint(one.ids or ())
    )
    if sampled and is_purchase and (not failed or one.kind not in _REQUESTS):
        return Importance.PURCHASE
    return Importance.FAILURE if failed or one.ms >= SLOW else Importance.ROUTINE

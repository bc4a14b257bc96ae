"""The recorder sends the interactions of this process to the kafka service, which stores them for `nextbuy trace`.

Recording never blocks or fails a request. Lines wait here for `_INTERVAL`, and longer while the kafka service is
unavailable. Beyond `_MAX_WAITING`, a line of a purchase replaces the oldest, and any other is dropped; the log has all.
"""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import UNSET, Struct

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.traces import MAX_KEYS, Importance, TraceBatch, TracesClient, request_key, trace_key
from nextbuy.contracts.values import new_id
from nextbuy.kit.observability.ids import PURCHASE_KINDS
from nextbuy.kit.observability.interaction import FIRST_ERROR, FIRST_FAILURE, SLOW, InteractionLine
from nextbuy.kit.observability.telemetry import Journal

log: Final = logging.getLogger(__name__)

_INTERVAL: Final = 1.0
"""Seconds between two calls, so that a call carries the interactions of many requests."""
_MAX_PAUSE: Final = 15.0
"""Seconds between two attempts while the kafka service is unavailable."""
_MAX_WAITING: Final = 20_000
"""Interactions that may wait: some 6 MB."""
_MAX_CALL_BYTES: Final = 400_000
"""Bytes of lines in one call. Even if they cannot be compressed, with their keys they fit what a service accepts."""
_PATH_ID: Final = 8
"""Characters of the shortest last part of a path that is indexed as an id."""
_STORY_PATH: Final = "/kafka/api/traces"
_ZLIB_LEVEL: Final = 1
"""A higher level costs more processor time than the space is worth."""
_PURCHASE_SERVICES: Final = frozenset({"order", "simulator"})
"""Services whose part in a trace makes it a purchase."""
_PERMANENT: Final = frozenset({400, 413, 415, 422})
"""HTTP statuses after which a retry cannot succeed."""


class _Recorded(Struct, frozen=True, gc=False):
    """An interaction that waits to be sent; `ids` are in the line's form."""

    line: bytes
    spans: tuple[str, ...]
    """The traces and spans that it belongs to: see `_spans_of`."""
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
        self._unsent: list[list[TraceBatch]] = []
        """Calls, each a list of batches, that are not sent yet or will be retried."""
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
                _spans_of(interaction),
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
                self._unsent = pack_calls([self._waiting.popleft() for _ in range(left)])
                left = 0
            try:
                await self._client.store_interactions(self._unsent[0])
            except AppError as error:
                if error.status in _PERMANENT:
                    log.warning(
                        "interactions rejected by the kafka service; no retry, they are in the log",
                        extra={"slug": error.slug, "detail": str(error)},
                    )
                    del self._unsent[0]
                    continue
                if not self._failing:
                    log.warning(
                        "interactions not stored; retry scheduled, they are in the log",
                        extra={"slug": error.slug, "detail": str(error)},
                    )
                self._failing = True
                self._recorded.set()
                return False
            del self._unsent[0]
        if self._failing:
            log.info("interactions stored again", extra={"dropped": self._dropped})
        self._failing, self._dropped = False, 0
        return True


def pack_calls(recorded: Sequence[_Recorded]) -> list[list[TraceBatch]]:
    """Pack interactions into calls of bounded size; each batch of a call has one importance."""
    by_span: dict[str, Importance] = {}
    for one in recorded:
        for span in one.spans:
            if one.importance > by_span.get(span, -1):
                by_span[span] = one.importance
    chosen: dict[Importance, list[_Recorded]] = {importance: [] for importance in Importance}
    for one in recorded:
        chosen[max(by_span[span] for span in one.spans)].append(one)
    calls: list[list[TraceBatch]] = []
    room = 0
    for importance, members in chosen.items():
        for part, size in _parts(members):
            if size > room or len(calls[-1]) == len(Importance):
                calls.append([])
                room = _MAX_CALL_BYTES
            room -= size
            calls[-1].append(_batch(importance, part))
    return calls


def _parts(recorded: Iterable[_Recorded]) -> Iterator[tuple[list[_Recorded], int]]:
    """Yield parts of at most `_MAX_CALL_BYTES`, with their size."""
    part: list[_Recorded] = []
    size = 0
    for one in recorded:
        if part and size + len(one.line) > _MAX_CALL_BYTES:
            yield part, size
            part, size = [], 0
        part.append(one)
        size += len(one.line)
    if part:
        yield part, size


def _batch(importance: Importance, recorded: Sequence[_Recorded]) -> TraceBatch:
    lines = zlib.compress(b"\n".join([one.line for one in recorded]), _ZLIB_LEVEL)
    keys = {trace_key(term) for term in _terms(recorded)}
    keys.update(request_key(one.correlation_id) for one in recorded if one.correlation_id)
    return TraceBatch(new_id(), importance, list(keys)[:MAX_KEYS], lines)


def _spans_of(one: InteractionLine) -> tuple[str, ...]:
    """Return the spans that share the importance of an interaction: the spans of its request in one service.

    The whole trace does not share it, because a client may send any number of requests in the trace of its purchase.
    """
    match one.kind:
        case "forward":
            spans: tuple[str, ...] = (one.span_id, one.parent_id)
        case "request" | "serve" | "webhook":
            spans = (one.span_id,)
        case "consume":
            # Its line has no span; no client can cause one by itself.
            spans = ("",)
        case _:
            spans = (one.parent_id,)
    return tuple(one.trace_id + span for span in spans)


def _terms(recorded: Iterable[_Recorded]) -> set[str]:
    """Return the ids under which these interactions are found, apart from request ids."""
    terms: set[str] = set()
    ids: set[object] = set()
    for one in recorded:
        terms.add(one.trace_id)
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


_READ_PREFIXES: Final = ("GET ", "HEAD ", "OPTIONS ", "get-", "list-", "read-", "validate-")
"""Prefixes of the names of reads. Anyone can send any number of sampled ones."""


def _importance(one: InteractionLine, *, sampled: bool) -> Importance:
    """Return the importance of an interaction by itself.

    Anyone can send reads and requests that are refused, so neither may displace the interactions of a purchase.
    """
    if not sampled and one.status < FIRST_ERROR and one.outcome == "ok" and one.ms < SLOW:
        return Importance.ROUTINE
    is_read = one.name.startswith(_READ_PREFIXES)
    is_refused = FIRST_ERROR <= one.status < FIRST_FAILURE
    is_of_client = one.kind in {"request", "forward"} or (one.kind == "serve" and not one.caller)
    if sampled and not is_read and not (is_refused and is_of_client) and _is_of_purchase(one):
        return Importance.PURCHASE
    if is_refused:
        failed = not is_read and not is_of_client
    else:
        failed = one.status >= FIRST_FAILURE or (one.outcome != "ok" and one.kind != "step")
    return Importance.FAILURE if failed or one.ms >= SLOW else Importance.ROUTINE


def _is_of_purchase(one: InteractionLine) -> bool:
    return (
        one.caller in _PURCHASE_SERVICES
        or one.callee in _PURCHASE_SERVICES
        or not PURCHASE_KINDS.isdisjoint(one.ids or ())
    )

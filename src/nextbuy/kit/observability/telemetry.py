"""Traces and logs: one JSON line per request, call and event, with its caller, callee, outcome, duration and ids.

Between processes a trace travels as `traceparent` (W3C Trace Context), inside a process as a context variable. Each
interaction also goes to a recorder, so that the story of an order can be read over all processes. This module never
receives a body, a query string or a secret header, except the beginning of a response that cannot be decoded.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from random import getrandbits
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from msgspec import UNSET, Struct

from nextbuy.kit.observability.ids import Ids, noted_ids
from nextbuy.kit.observability.interaction import (
    APPLIED,
    BEHIND_THE_GATEWAY,
    FIRST_ERROR,
    NO_SPAN,
    SLOW,
    SUCCESS,
    USUAL_ENDS,
    InteractionLine,
    Kind,
)
from nextbuy.kit.observability.redaction import redact

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MAX_LINKS: Final = 50
"""Traces that the work for a batch is linked to."""


class SpanContext(Struct, frozen=True):
    """A span, its parent and trace, and the correlation id that the client sees."""

    trace_id: str
    span_id: str
    parent_id: str
    sampled: bool
    correlation_id: str
    links: tuple[str, ...] = ()
    """The other traces that the work is for, such as the traces of all events in a batch."""

    @property
    def traceparent(self) -> str:
        """The header that propagates this span (W3C Trace Context)."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> "SpanContext":
        """Return a new child span."""
        span_id = f"{getrandbits(64):016x}"
        return SpanContext(self.trace_id, span_id, self.span_id, self.sampled, self.correlation_id, self.links)

    def linked(self, trace_ids: Iterable[str]) -> "SpanContext":
        """Return this span with links to the traces that its work is for, at most `MAX_LINKS`; it is then sampled."""
        links = tuple(dict.fromkeys(trace_id for trace_id in trace_ids if trace_id))[:MAX_LINKS]
        sampled = self.sampled or bool(links)
        return SpanContext(self.trace_id, self.span_id, self.parent_id, sampled, self.correlation_id, links)


def start_span(traceparent: str | None = None, request_id: str | None = None, *, sampled: bool = False) -> SpanContext:
    """Return a new span in the trace of a `traceparent` header, or in a new trace.

    An invalid header or request id is ignored, as is a request id that looks like a secret: none may fail a request.
    """
    span_id = f"{getrandbits(64):016x}"
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        trace_id, parent_id = f"{getrandbits(128):032x}", NO_SPAN
    else:
        trace_id, parent_id = match[1], match[2]
        sampled = sampled or match[3] == "01"
    is_valid = request_id and _REQUEST_ID.fullmatch(request_id) and redact(request_id) == request_id
    correlation_id = request_id if request_id and is_valid else trace_id
    return SpanContext(trace_id, span_id, parent_id, sampled, correlation_id)


def resume_span(traceparent: str | None, request_id: str | None) -> SpanContext:
    """Return the span that a header names. Its caller logs it; spans started here are its children."""
    trace = start_span(traceparent, request_id)
    if trace.parent_id == NO_SPAN:
        return trace
    return SpanContext(trace.trace_id, trace.parent_id, trace.parent_id, trace.sampled, trace.correlation_id)


_NO_TRACE: Final = SpanContext("0" * 32, NO_SPAN, NO_SPAN, sampled=False, correlation_id="none")
_current: ContextVar[SpanContext] = ContextVar("trace", default=_NO_TRACE)


def current_span() -> SpanContext:
    """Return the span of the running code."""
    return _current.get()


def trace_id_of(traceparent: str) -> str:
    """Return the trace id of a `traceparent`, or an empty string if it is invalid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""


class use_span:  # noqa: N801  used as a function
    """Make a span the current one in a `with` block. A class, since a generator costs every request more."""

    __slots__ = ("_token", "_trace")
    _token: Token[SpanContext]

    def __init__(self, trace: SpanContext) -> None:
        self._trace = trace

    def __enter__(self) -> SpanContext:
        self._token = _current.set(self._trace)
        return self._trace

    def __exit__(self, *_error: object) -> None:
        _current.reset(self._token)


class PublishedEvent(NamedTuple):
    """An event that a service published or tried to publish: its ids, and a reason to report."""

    topic: str
    ids: Ids
    reason: str
    trace: SpanContext


class ConsumedEvent(NamedTuple):
    """An event that a service received, with the outcome for each of its subscriptions."""

    topic: str
    ids: Ids
    outcomes: dict[str, str]
    reason: str
    trace: SpanContext


_NO_ENDS: Final = ("", "")
_TENTHS_BELOW: Final = 0.01
"""Seconds from which a duration is written without tenths of a millisecond."""


class Recorder(Protocol):
    """A function that receives an interaction and its line (JSON)."""

    def __call__(self, interaction: InteractionLine, line: bytes, *, sampled: bool) -> None:
        """Record it; `sampled` is the flag of its trace. Must not block, nor keep the interaction."""
        ...


_encode: Final = msgspec.json.Encoder().encode
_MAX_NAME: Final = 300
"""Characters of a name: a client chooses its path."""
_PIPE_BUF: Final = 4096
"""Bytes that POSIX writes to a pipe atomically, so that lines of several processes stay whole."""


class Journal:
    """The log of one process; `recorder` also receives its interactions.

    Of a read that succeeds quickly, the recorder receives the gateway's line alone: all lines would cost too much.
    """

    def __init__(self, fd: int | None = None, recorder: Recorder | None = None) -> None:
        """Write to the file descriptor `fd`, standard error by default."""
        self._fd = sys.stderr.fileno() if fd is None else fd
        self.recorder = recorder
        self._unwritten: list[bytes] = []
        """Lines that are written with the next one."""

    def interaction(  # noqa: PLR0913
        self,
        kind: Kind,
        caller: str,
        callee: str,
        name: str,
        *,
        trace: SpanContext,
        began: float,
        outcome: str = "ok",
        status: int = 0,
        attempt: int = 1,
        ids: Ids | None = None,
        reason: str = "",
        with_next: bool = False,
    ) -> None:
        """Log an interaction that began at `began` (seconds of `time.perf_counter`) and ends now.

        With `with_next`, the line is written together with the next one, which this process logs at once.
        """
        elapsed, usual = time.perf_counter() - began, USUAL_ENDS.get(kind, _NO_ENDS)
        line = InteractionLine(
            at=_moment(elapsed),
            kind=kind,
            caller="" if caller == usual[0] else caller,
            callee="" if callee == usual[1] else callee,
            name=name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…",
            outcome=outcome,
            ms=_milliseconds(elapsed),
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            status=0 if status == SUCCESS and outcome == "ok" else status,
            attempt=attempt,
            ids=_short(ids) if ids else UNSET,
            reason=reason,
        )
        if with_next:
            self._unwritten.append(self._line(line, trace))
        else:
            self.write(self._line(line, trace))

    def published(
        self, service: str, carrier: str, events: Iterable[PublishedEvent], *, began: float, outcome: str = "ok"
    ) -> None:
        """Write a line for each event of a batch that a service began to publish at `began` over a carrier."""
        elapsed = time.perf_counter() - began
        line = InteractionLine(
            at=_moment(elapsed),
            kind="publish",
            caller=service,
            carrier=carrier,
            name="",
            outcome=outcome,
            ms=_milliseconds(elapsed),
            trace_id="",
            span_id="",
        )

        def lines() -> Iterator[bytes]:
            for line.name, ids, line.reason, trace in events:
                line.trace_id, line.span_id, line.ids = trace.trace_id, trace.span_id, _short(ids)
                yield self._line(line, trace)

        self._write_joined(lines())

    def consumed(self, service: str, events: Iterable[ConsumedEvent], *, began: float) -> None:
        """Write a line for each event that a service received in one call, which began at `began`."""
        elapsed = time.perf_counter() - began
        line = InteractionLine(
            at=_moment(elapsed),
            kind="consume",
            callee=service,
            name="",
            ms=_milliseconds(elapsed),
            trace_id="",
        )

        def lines() -> Iterator[bytes]:
            for line.name, ids, outcomes, line.reason, trace in events:
                values = outcomes.values()
                line.outcome = next((worst for worst in ("rejected", "retry", "unknown") if worst in values), "ok")
                line.trace_id = trace.trace_id
                line.ids = _short(ids)
                line.subscriptions = list(outcomes) if all(one == APPLIED for one in values) else outcomes
                yield self._line(line, trace)

        self._write_joined(lines())

    def _write_joined(self, lines: Iterable[bytes]) -> None:
        """Write lines, joined up to the size that a pipe accepts as a whole."""
        joined: list[bytes] = []
        size = 0
        for line in lines:
            if size + len(line) > _PIPE_BUF:
                self.write(b"".join(joined))
                joined.clear()
                size = 0
            joined.append(line)
            size += len(line)
        self.write(b"".join(joined))

    def _line(self, interaction: InteractionLine, trace: SpanContext) -> bytes:
        # The lines of the caller and of the publisher have the parent.
        interaction.parent_id = NO_SPAN if interaction.kind in {"serve", "consume"} else trace.parent_id
        # Once per trace: all lines of a request have its trace id.
        is_first = interaction.kind == "request" and trace.correlation_id != trace.trace_id
        interaction.correlation_id = trace.correlation_id if is_first else ""
        interaction.links = trace.links or UNSET
        line = _encode(interaction)
        if self.recorder is not None and (
            trace.sampled
            or interaction.kind == "request"
            or interaction.outcome != "ok"
            or interaction.status >= FIRST_ERROR
            or interaction.ms >= SLOW
            or interaction.kind not in BEHIND_THE_GATEWAY
        ):
            self.recorder(interaction, line, sampled=trace.sampled)
        return line + b"\n"

    def step(self, service: str, name: str, outcome: str, *, ids: Ids | None = None, reason: str = "") -> None:
        """Log a step inside one service; `reason` says why it failed."""
        self.interaction(
            "step",
            service,
            service,
            name,
            trace=current_span().child(),
            began=time.perf_counter(),
            outcome=outcome,
            ids=ids,
            reason=reason,
        )

    def write(self, lines: bytes) -> None:
        """Write whole lines; a failure to log (a full disk, a closed pipe) is ignored."""
        if self._unwritten:
            unwritten, self._unwritten = self._unwritten, []
            joined = b"".join((*unwritten, lines))
            if len(joined) > _PIPE_BUF:
                self._write_joined((*unwritten, lines))
                return
            lines = joined
        try:
            os.write(self._fd, lines)
        except OSError:
            return


def _short(ids: Ids) -> dict[str, Any]:
    """Return ids by kind, without a list for a single id."""
    return {kind: some[0] if len(some) == 1 else some for kind, some in ids.items()}


def _milliseconds(seconds: float) -> float:
    """Return milliseconds to two or three digits, so that the lines of a slow machine are no longer than others."""
    return round(seconds * 1000, 1 if seconds < _TENTHS_BELOW else None)


def _moment(elapsed: float) -> float:
    """Return the time `elapsed` seconds ago, in seconds."""
    return round(time.time() - elapsed, 5)


_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes of every log record; all others were given as `extra`."""


class JsonFormatter(logging.Formatter):
    """Formats log records as JSON lines with their `extra` fields and their trace; apparent secrets are hidden."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        trace = current_span()
        extra = {name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS}
        fields: dict[str, Any] = {
            **{name: value if isinstance(value, int | float) else redact(str(value)) for name, value in extra.items()},
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "trace": trace.trace_id,
        }
        if trace.correlation_id != trace.trace_id:
            fields["request"] = trace.correlation_id
        ids = noted_ids()
        if ids and record.levelno >= logging.WARNING:
            fields["ids"] = ids
        if record.exc_info:
            fields["error"] = redact(self.formatException(record.exc_info))
        return _encode(fields).decode()


class _JournalHandler(logging.Handler):
    """Writes log records to a journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._journal.write(self.format(record).encode(errors="replace") + b"\n")
        except Exception:  # noqa: BLE001  a failure to log must not fail its caller
            self.handleError(record)


def route_logging(journal: Journal, *, level: int | str = logging.INFO) -> None:
    """Write all log records of this process to the journal, as JSON, and nowhere else."""
    root = logging.getLogger()
    root.handlers[:] = [_JournalHandler(journal)]
    root.setLevel(level)
    for chatty in ("asyncio", "aiohttp.access", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

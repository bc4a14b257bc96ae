"""Traces and logs: one JSON line per request, call and event, with its caller, callee, outcome and duration.

Between processes a trace travels as `traceparent` (W3C Trace Context), inside a process as a context variable. The
interactions of sampled traces also go to a recorder, so that the sequence of a purchase can be shown. No body, query
string or secret header is ever passed to this module.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from random import getrandbits
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECRETS: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|(?i:bearer\s+)\S+|v1=[0-9a-f]{16,}|\$argon2\w*\$\S+")
_NO_SPAN: Final = "0" * 16


class SpanContext(Struct, frozen=True):
    """A span, its parent and trace, and the correlation id that the client sees."""

    trace_id: str
    span_id: str
    parent_id: str
    sampled: bool
    correlation_id: str

    @property
    def traceparent(self) -> str:
        """The header that propagates this span (W3C Trace Context)."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> "SpanContext":
        """Return a new child span."""
        return SpanContext(self.trace_id, f"{getrandbits(64):016x}", self.span_id, self.sampled, self.correlation_id)


def start_span(traceparent: str | None = None, request_id: str | None = None, *, sampled: bool = False) -> SpanContext:
    """Return a new span in the trace of a `traceparent` header, or in a new trace.

    An invalid header or request id is ignored: neither may fail a request.
    """
    span_id = f"{getrandbits(64):016x}"
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        trace_id, parent_id = f"{getrandbits(128):032x}", _NO_SPAN
    else:
        trace_id, parent_id = match[1], match[2]
        sampled = sampled or match[3] == "01"
    correlation_id = request_id if request_id and _REQUEST_ID.fullmatch(request_id) else trace_id
    return SpanContext(trace_id, span_id, parent_id, sampled, correlation_id)


def resume_span(traceparent: str | None, request_id: str | None) -> SpanContext:
    """Return the span that a header names. Its sender logs it; spans started here are its children."""
    trace = start_span(traceparent, request_id)
    if trace.parent_id == _NO_SPAN:
        return trace
    return SpanContext(trace.trace_id, trace.parent_id, trace.parent_id, trace.sampled, trace.correlation_id)


_NO_TRACE: Final = SpanContext("0" * 32, _NO_SPAN, _NO_SPAN, sampled=False, correlation_id="none")
_current: ContextVar[SpanContext] = ContextVar("trace", default=_NO_TRACE)


def current_span() -> SpanContext:
    """Return the span of the running code."""
    return _current.get()


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


Kind = Literal["request", "forward", "call", "publish", "consume", "step", "webhook"]


class Interaction(Struct):
    """A message between client, services or bus; `at` is in seconds since the epoch, `ms` is its duration."""

    at: float
    kind: Kind
    caller: str
    callee: str
    name: str
    outcome: str
    ms: float
    trace_id: str
    span_id: str
    parent_id: str
    correlation_id: str
    status: int = 0
    attempt: int = 1
    carrier: str | UnsetType = UNSET
    """Of a published event: the engine that carries it, `Redis Streams` or `Kafka`."""
    event_id: str | UnsetType = UNSET
    subscriptions: dict[str, str] | UnsetType = UNSET
    """Of a consumed event: its outcome for each subscription of the callee."""


BUS_PARTICIPANT: Final = "kafka"
"""Name of the bus in interactions: the specification's diagrams call it Kafka, whichever engine runs."""


class InteractionLine(Interaction, kw_only=True, omit_defaults=True):
    """An interaction as one line of the log, which leaves out every field that has the default value here."""

    caller: str = BUS_PARTICIPANT
    callee: str = BUS_PARTICIPANT
    outcome: str = "ok"
    parent_id: str = _NO_SPAN
    correlation_id: str = ""
    """Empty if it equals the trace id, because the client sent no request id."""

    def complete(self) -> Interaction:
        """Return the interaction with all its fields."""
        fields = {name: getattr(self, name) for name in Interaction.__struct_fields__}
        return Interaction(**{**fields, "correlation_id": self.correlation_id or self.trace_id})


class ConsumedEvent(NamedTuple):
    """An event that a service received, with the outcome for each of its subscriptions."""

    topic: str
    event_id: UUID
    outcomes: dict[str, str]
    trace: SpanContext


Recorder = Callable[[str, bytes], None]
"""Receives a trace id and an `InteractionLine` as JSON; must not block."""

_encode: Final = msgspec.json.Encoder().encode
_PIPE_BUF: Final = 4096
"""Bytes that POSIX writes to a pipe atomically, so that lines of several processes stay whole."""


class Journal:
    """The log of one process; `recorder` also receives the interactions of sampled traces."""

    def __init__(self, fd: int | None = None, recorder: Recorder | None = None) -> None:
        """Write to the file descriptor `fd`, standard error by default."""
        self._fd = sys.stderr.fileno() if fd is None else fd
        self.recorder = recorder

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
    ) -> None:
        """Log an interaction that began at `began` (seconds of `time.perf_counter`) and ends now."""
        elapsed = time.perf_counter() - began
        line = InteractionLine(
            at=_moment(elapsed),
            kind=kind,
            caller=caller,
            callee=callee,
            name=name,
            outcome=outcome,
            ms=round(elapsed * 1000, 3),
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            status=status,
            attempt=attempt,
        )
        self.write(self._line(line, trace))

    def interactions(
        self,
        kind: Kind,
        caller: str,
        callee: str,
        spans: Iterable[tuple[str, SpanContext]],
        *,
        began: float,
        carrier: str | UnsetType = UNSET,
    ) -> None:
        """Log a batch of interactions, given as names with spans; all began at `began` and succeeded."""
        elapsed = time.perf_counter() - began
        interaction = InteractionLine(
            at=_moment(elapsed),
            kind=kind,
            caller=caller,
            callee=callee,
            name="",
            ms=round(elapsed * 1000, 3),
            trace_id="",
            span_id="",
            carrier=carrier,
        )

        def lines() -> Iterator[bytes]:
            for interaction.name, trace in spans:
                interaction.trace_id, interaction.span_id = trace.trace_id, trace.span_id
                yield self._line(interaction, trace)

        self._write_joined(lines())

    def consumed(self, service: str, events: Iterable[ConsumedEvent], *, began: float) -> None:
        """Write a line for each event that a service received in one call, which began at `began`."""
        elapsed = time.perf_counter() - began
        line = InteractionLine(
            at=_moment(elapsed),
            kind="consume",
            callee=service,
            name="",
            ms=round(elapsed * 1000, 3),
            trace_id="",
            span_id="",
        )

        def lines() -> Iterator[bytes]:
            for line.name, event_id, outcomes, trace in events:
                values = outcomes.values()
                line.outcome = next((worst for worst in ("rejected", "retry", "unknown") if worst in values), "ok")
                line.trace_id, line.span_id = trace.trace_id, trace.span_id
                line.event_id, line.subscriptions = str(event_id), outcomes
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
        interaction.parent_id = trace.parent_id
        interaction.correlation_id = "" if trace.correlation_id == trace.trace_id else trace.correlation_id
        line = _encode(interaction)
        if trace.sampled and self.recorder is not None:
            self.recorder(trace.trace_id, line)
        return line + b"\n"

    def step(self, service: str, name: str, outcome: str) -> None:
        """Log a step inside one service, from the sequence diagrams of the specification."""
        self.interaction(
            "step", service, service, name, trace=current_span().child(), began=time.perf_counter(), outcome=outcome
        )

    def write(self, lines: bytes) -> None:
        """Write whole lines; a failure to log (a full disk, a closed pipe) is ignored."""
        try:
            os.write(self._fd, lines)
        except OSError:
            return


def _moment(elapsed: float) -> float:
    """Return the time `elapsed` seconds ago, in seconds rounded to the microseconds of a clock."""
    return round(time.time() - elapsed, 6)


_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes of every log record; all others were given as `extra`."""


class JsonFormatter(logging.Formatter):
    """Formats log records as JSON lines with their `extra` fields and their trace; apparent secrets are hidden."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        trace = current_span()
        extra = {name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS}
        fields: dict[str, Any] = {
            **{name: value if isinstance(value, int | float) else _redact(str(value)) for name, value in extra.items()},
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _redact(record.getMessage()),
            "trace_id": trace.trace_id,
        }
        if trace.correlation_id != trace.trace_id:
            fields["correlation_id"] = trace.correlation_id
        if record.exc_info:
            fields["error"] = _redact(self.formatException(record.exc_info))
        return _encode(fields).decode()


def _redact(text: str) -> str:
    """Hide apparent secrets in a text, and make it encodable as UTF-8."""
    return _SECRETS.sub("[hidden]", text.encode(errors="replace").decode())


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

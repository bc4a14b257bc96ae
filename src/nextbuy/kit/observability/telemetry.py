"""Who asked whom for what, how it ended and how long it took: one JSON line for every request, call and event.

The trace goes from process to process as `traceparent` (W3C Trace Context) and inside one as a context variable.
Interactions of sampled traces are also handed to a recorder, so that a purchase can be read back as a sequence. Nothing
here ever sees a body, a query string or a header that carries a secret.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from random import getrandbits
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECRETS: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|(?i:bearer\s+)\S+|v1=[0-9a-f]{16,}|\$argon2\w*\$\S+")
_NOBODY: Final = "0" * 16


class SpanContext(Struct, frozen=True):
    """Where we are: the trace, our span in it, the span above, and the id by which the client knows the request."""

    trace_id: str
    span_id: str
    parent_id: str
    sampled: bool
    correlation_id: str

    @property
    def traceparent(self) -> str:
        """The header that carries this to the next hop (W3C Trace Context)."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> "SpanContext":
        """Return a span below this one."""
        return SpanContext(self.trace_id, f"{getrandbits(64):016x}", self.span_id, self.sampled, self.correlation_id)


def start_span(traceparent: str | None = None, request_id: str | None = None, *, sampled: bool = False) -> SpanContext:
    """Go on with the trace that a header names, or begin one.

    A header that is no `traceparent`, or a request id of strange characters, is treated as absent: neither may break a
    request.
    """
    span_id = f"{getrandbits(64):016x}"
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        trace_id, parent_id = f"{getrandbits(128):032x}", _NOBODY
    else:
        trace_id, parent_id = match[1], match[2]
        sampled = sampled or match[3] == "01"
    correlation_id = request_id if request_id and _REQUEST_ID.fullmatch(request_id) else trace_id
    return SpanContext(trace_id, span_id, parent_id, sampled, correlation_id)


def resume_span(traceparent: str | None, request_id: str | None) -> SpanContext:
    """Go on in the very span that a header names: its line is the caller's, and what we ask is asked within it."""
    trace = start_span(traceparent, request_id)
    if trace.parent_id == _NOBODY:
        return trace
    return SpanContext(trace.trace_id, trace.parent_id, trace.parent_id, trace.sampled, trace.correlation_id)


_NO_TRACE: Final = SpanContext("0" * 32, _NOBODY, _NOBODY, sampled=False, correlation_id="none")
_current: ContextVar[SpanContext] = ContextVar("trace", default=_NO_TRACE)


def current_span() -> SpanContext:
    """Return the trace of what is being done now."""
    return _current.get()


class use_span:  # noqa: N801  it reads as a word: `with within(trace):`
    """Do what follows as part of a trace; no generator, because every request enters one and pays for it."""

    __slots__ = ("_token", "_trace")
    _token: Token[SpanContext]

    def __init__(self, trace: SpanContext) -> None:
        """Be part of `trace`."""
        self._trace = trace

    def __enter__(self) -> SpanContext:
        """Enter the trace."""
        self._token = _current.set(self._trace)
        return self._trace

    def __exit__(self, *_error: object) -> None:
        """Go back to what was before."""
        _current.reset(self._token)


Kind = Literal["request", "forward", "call", "publish", "consume", "step", "webhook"]


class Interaction(Struct):
    """One thing that one part said to another; times in seconds since the epoch and in milliseconds."""

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


Recorder = Callable[[str, bytes], None]
"""Takes a trace id and an interaction as JSON; must not wait."""

_encode: Final = msgspec.json.Encoder().encode
_WHOLE: Final = 4096
"""Bytes that a pipe takes in one piece, whoever else writes to it."""


class Journal:
    """Writes the lines of one process; `recorder` also gets those of sampled traces."""

    def __init__(self, fd: int | None = None, recorder: Recorder | None = None) -> None:
        """Write to the file descriptor `fd` (standard error where none is given)."""
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
        """Write one line for something that began at `began` (seconds, `time.perf_counter`) and has just ended."""
        elapsed = time.perf_counter() - began
        said = Interaction(
            at=time.time() - elapsed,
            kind=kind,
            caller=caller,
            callee=callee,
            name=name,
            outcome=outcome,
            ms=round(elapsed * 1000, 3),
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            parent_id=trace.parent_id,
            correlation_id=trace.correlation_id,
            status=status,
            attempt=attempt,
        )
        self.write(self._line(said, trace))

    def interactions(
        self,
        kind: Kind,
        caller: str,
        callee: str,
        told: Iterable[tuple[str, SpanContext]],
        *,
        began: float,
        attempt: int = 1,
    ) -> None:
        """Write a line for each of many that were done together, `told` by name and trace: `began` to now, all well."""
        elapsed = time.perf_counter() - began
        said = Interaction(
            time.time() - elapsed, kind, caller, callee, "", "ok", round(elapsed * 1000, 3), "", "", "", "", 0, attempt
        )
        lines: list[bytes] = []
        size = 0
        for said.name, trace in told:
            said.trace_id, said.span_id, said.parent_id = trace.trace_id, trace.span_id, trace.parent_id
            said.correlation_id = trace.correlation_id
            line = self._line(said, trace)
            if size + len(line) > _WHOLE:
                self.write(b"".join(lines))
                lines.clear()
                size = 0
            lines.append(line)
            size += len(line)
        self.write(b"".join(lines))

    def _line(self, said: Interaction, trace: SpanContext) -> bytes:
        line = _encode(said)
        if trace.sampled and self.recorder is not None:
            self.recorder(trace.trace_id, line)
        return line + b"\n"

    def step(self, service: str, name: str, outcome: str) -> None:
        """Write a line for something that a service did by itself and that the specification names."""
        self.interaction(
            "step", service, service, name, trace=current_span().child(), began=time.perf_counter(), outcome=outcome
        )

    def write(self, lines: bytes) -> None:
        """Write whole lines; a log that cannot be written (a full disk, a closed pipe) stops nobody from buying."""
        try:
            os.write(self._fd, lines)
        except OSError:
            return


_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes of every log record; all others were given as `extra`."""


class JsonFormatter(logging.Formatter):
    """Formats log records as JSON lines with their `extra` fields and their trace; apparent secrets are hidden."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        trace = current_span()
        extra = {name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS}
        fields: dict[str, Any] = {
            **{name: value if isinstance(value, int | float) else _fit(str(value)) for name, value in extra.items()},
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _fit(record.getMessage()),
            "trace_id": trace.trace_id,
            "correlation_id": trace.correlation_id,
        }
        if record.exc_info:
            fields["error"] = _fit(self.formatException(record.exc_info))
        return _encode(fields).decode()


def _fit(text: str) -> str:
    """Return a text that may stand in a log: no secrets, and nothing that is no UTF-8."""
    return _SECRETS.sub("[hidden]", text.encode(errors="replace").decode())


class _JournalHandler(logging.Handler):
    """Sends the standard library's log records down the same pipe as the interactions."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._journal.write(self.format(record).encode(errors="replace") + b"\n")
        except Exception:  # noqa: BLE001  a line that cannot be written must not break what it tells of
            self.handleError(record)


def route_logging(journal: Journal, *, level: int | str = logging.INFO) -> None:
    """Send all log records of this process into the journal, as JSON, and nowhere else."""
    root = logging.getLogger()
    root.handlers[:] = [_JournalHandler(journal)]
    root.setLevel(level)
    for chatty in ("asyncio", "aiohttp.access", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

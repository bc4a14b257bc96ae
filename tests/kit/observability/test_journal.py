"""Lines of interactions: short in the log, complete when read back."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nextbuy.kit.observability.telemetry import InteractionLine, Journal, SpanContext, start_span
from tests.log_lines import decode_line


class JournalFile:
    """A journal in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.journal = Journal(self._fd)

    def line(self) -> bytes:
        """Return the only line."""
        [line] = self._path.read_bytes().splitlines()
        return line

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    """A journal in a file."""
    file = JournalFile(tmp_path / "journal")
    yield file
    file.close()


def write(journal: Journal, trace: SpanContext, *, outcome: str = "ok", status: int = 200, attempt: int = 1) -> None:
    journal.interaction(
        "call",
        "order",
        "auth",
        "validate-user",
        trace=trace,
        began=time.perf_counter(),
        outcome=outcome,
        status=status,
        attempt=attempt,
    )


def test_line_leaves_out_usual_values_and_reads_back_complete(file: JournalFile) -> None:
    root = start_span()

    write(file.journal, root)

    assert set(json.loads(file.line())) == {
        "at", "kind", "caller", "callee", "name", "ms", "trace_id", "span_id", "status"
    }  # fmt: skip
    line = decode_line(file.line())
    assert (line["outcome"], line["attempt"], line["parent_id"]) == ("ok", 1, "0" * 16)
    assert line["correlation_id"] == line["trace_id"] == root.trace_id


def test_line_has_the_fields_that_differ_from_the_usual(file: JournalFile) -> None:
    parent = start_span(request_id="purchase-1")

    write(file.journal, parent.child(), outcome="unavailable", status=503, attempt=2)

    line = json.loads(file.line())
    assert (line["outcome"], line["status"], line["attempt"]) == ("unavailable", 503, 2)
    assert (line["correlation_id"], line["parent_id"]) == ("purchase-1", parent.span_id)


def test_published_event_names_its_publisher_only(file: JournalFile) -> None:
    span = start_span()

    file.journal.interactions("publish", "order", "kafka", [("order.paid", span.child())], began=time.perf_counter())

    line = json.loads(file.line())
    assert "callee" not in line
    decoded = InteractionLine(**line).complete()
    assert (decoded.caller, decoded.callee, decoded.parent_id) == ("order", "kafka", span.span_id)

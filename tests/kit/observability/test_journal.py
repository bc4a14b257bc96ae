"""Lines of interactions: short in the log, complete when read back."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nextbuy.kit.observability.interaction import InteractionLine, Kind
from nextbuy.kit.observability.telemetry import Journal, PublishedEvent, SpanContext, start_span
from tests.log_lines import decode_line


class JournalFile:
    """A journal in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.journal = Journal(self._fd)

    def lines(self) -> list[bytes]:
        """Return all lines."""
        return self._path.read_bytes().splitlines()

    def line(self) -> bytes:
        """Return the only line."""
        [line] = self.lines()
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
        "at", "kind", "from", "to", "name", "ms", "trace", "span"
    }  # fmt: skip
    line = decode_line(file.line())
    assert (line["outcome"], line["attempt"], line["parent_id"]) == ("ok", 1, "0" * 16)
    assert line["correlation_id"] == line["trace_id"] == root.trace_id


def test_line_has_the_fields_that_differ_from_the_usual(file: JournalFile) -> None:
    parent = start_span()

    write(file.journal, parent.child(), outcome="unavailable", status=503, attempt=2)

    line = json.loads(file.line())
    assert (line["outcome"], line["status"], line["attempt"]) == ("unavailable", 503, 2)
    assert line["parent"] == parent.span_id


@pytest.mark.parametrize(
    "secret", ["5555-5555-5555-4444", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "a" * 20 + "B1" * 15]
)
def test_request_id_that_looks_like_a_secret_is_ignored(secret: str) -> None:
    span = start_span(request_id=secret)

    assert span.correlation_id == span.trace_id


def test_name_that_a_client_made_long_is_cut(file: JournalFile) -> None:
    file.journal.interaction("request", "a", "b", "GET /" + "x" * 25_000, trace=start_span(), began=time.perf_counter())

    [line] = file.lines()
    assert len(line) < 600


def test_request_id_stands_once_in_the_line_of_the_gateway(file: JournalFile) -> None:
    span = start_span(request_id="purchase-1")

    for kind, name in (("request", "GET /"), ("forward", "GET /"), ("call", "ask")):
        file.journal.interaction(kind, "a", "b", name, trace=span, began=time.perf_counter())  # type: ignore[arg-type]

    lines = [json.loads(line) for line in file.lines()]
    assert [line.get("request") for line in lines] == ["purchase-1", None, None]


def test_published_event_names_its_publisher_only(file: JournalFile) -> None:
    span = start_span()

    event = PublishedEvent("order.paid", {"event": ["e-1"], "order": ["o-1"]}, "", span.child())
    file.journal.published("order", "Kafka", [event], began=time.perf_counter())

    assert "to" not in json.loads(file.line())
    decoded = decode_line(file.line())
    assert (decoded["caller"], decoded["callee"], decoded["parent_id"]) == ("order", "kafka", span.span_id)
    assert decoded["ids"] == {"event": ["e-1"], "order": ["o-1"]}


@pytest.mark.parametrize("sampled", [True, False])
def test_recorder_gets_all_of_a_change_and_the_gateways_line_of_a_read(file: JournalFile, *, sampled: bool) -> None:
    recorded: list[tuple[str, str]] = []

    def record(interaction: InteractionLine, line: bytes, *, sampled: bool) -> None:
        assert (sampled, line[:1]) == (span.sampled, b"{")
        recorded.append((interaction.kind, interaction.outcome))

    span = start_span(sampled=sampled)
    file.journal.recorder = record
    kinds: list[Kind] = ["request", "forward", "serve", "call"]
    for kind in kinds:
        file.journal.interaction(kind, "a", "b", "c", trace=span, began=time.perf_counter())
        file.journal.interaction(kind, "a", "b", "c", trace=span, began=time.perf_counter(), outcome="unavailable")
        file.journal.interaction(kind, "a", "b", "c", trace=span, began=time.perf_counter() - 1.1)

    plain = kinds if sampled else kinds[:1]
    assert recorded == [
        part for kind in kinds for part in [(kind, "ok")] * (kind in plain) + [(kind, "unavailable"), (kind, "ok")]
    ]


def test_lines_of_one_request_are_written_together_in_order(file: JournalFile) -> None:
    span = start_span()
    for name, with_next in (("serve", True), ("forward", True), ("request", False)):
        assert file.lines() == []
        file.journal.interaction("call", "a", "b", name, trace=span, began=time.perf_counter(), with_next=with_next)

    assert [json.loads(line)["name"] for line in file.lines()] == ["serve", "forward", "request"]

"""Recording never delays a request: lines wait in a bounded queue and are sent again after a failure."""

import logging
import os
import zlib
from collections.abc import Sequence

import msgspec
import pytest
from msgspec import UNSET

from nextbuy.contracts.errors import ServiceUnavailable, TooLarge
from nextbuy.contracts.traces import MAX_LINES_BYTES, Importance, TraceBatch, request_key, trace_key
from nextbuy.kit.observability import recorder as module
from nextbuy.kit.observability.interaction import InteractionLine, Kind
from nextbuy.kit.observability.recorder import TraceRecorder, path_id

_MAX_BODY = 1024 * 1024
"""Bytes that a service accepts (`host/serve.py`)."""


class Client:
    """A kafka service that fails as long as it is `unavailable`, and refuses the first call if it `refuses`."""

    def __init__(self) -> None:
        self.refuses = False
        self.unavailable = False
        self.sent: list[list[TraceBatch]] = []

    async def store_interactions(self, batches: Sequence[TraceBatch]) -> None:
        """Take the batches."""
        self.sent.append(list(batches))
        if self.refuses and len(self.sent) == 1:
            raise TooLarge
        if self.unavailable:
            raise ServiceUnavailable("kafka")


@pytest.fixture
def client() -> Client:
    """A kafka service that answers."""
    return Client()


@pytest.fixture
def recorder(client: Client) -> TraceRecorder:
    """A recorder that sends to it."""
    return TraceRecorder(client)  # type: ignore[arg-type]


def record(recorder: TraceRecorder, trace: str, **fields: object) -> None:
    line = InteractionLine(at=1, kind="call", name="ask", ms=1, trace_id=trace, **fields)  # type: ignore[arg-type]
    recorder.record(line, msgspec.json.encode(line), sampled=True)


async def test_request_is_as_important_as_its_most_important_interaction(
    recorder: TraceRecorder, client: Client
) -> None:
    record(recorder, "bought")
    record(recorder, "bought", ids={"session": "s-1", "product": ["p-1", "p-2"]})
    record(recorder, "failed", outcome="unavailable", status=503)
    record(recorder, "plain", correlation_id="request-1")

    assert await recorder.flush()

    [batches] = client.sent
    by_importance = {batch.importance: set(batch.keys) for batch in batches}
    assert by_importance == {
        Importance.PURCHASE: set(map(trace_key, ["bought", "s-1", "p-1", "p-2"])),
        Importance.FAILURE: {trace_key("failed")},
        Importance.ROUTINE: {trace_key("plain"), request_key("request-1")},
    }


async def test_store_that_does_not_answer_gets_the_same_batch_again(
    recorder: TraceRecorder, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.unavailable = True
    with caplog.at_level(logging.INFO):
        for trace in ("one", "two", "three"):
            record(recorder, trace)
            assert not await recorder.flush()
        client.unavailable = False
        assert await recorder.flush()

    assert client.sent[0] == client.sent[1] == client.sent[2] == client.sent[3]
    assert {key for batches in client.sent for batch in batches for key in batch.keys} == {
        trace_key(trace) for trace in ("one", "two", "three")
    }
    assert [one.message for one in caplog.records] == [
        "interactions not stored; retry scheduled, they are in the log",
        "interactions stored again",
    ]


async def test_beyond_the_bound_purchases_replace_the_oldest_and_others_are_dropped(
    recorder: TraceRecorder, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_MAX_WAITING", 3)
    bounded = TraceRecorder(client)  # type: ignore[arg-type]
    client.unavailable = True
    record(bounded, "sent")
    await bounded.flush()
    for number in range(5):
        record(bounded, f"t{number}")
    record(bounded, "bought", ids={"session": "s-1"})
    record(bounded, "failed", outcome="unavailable", status=503)
    client.unavailable = False
    with caplog.at_level(logging.INFO):
        await bounded.flush()

    kept = {key for batches in client.sent for batch in batches for key in batch.keys}
    assert kept == {trace_key(term) for term in ("sent", "t1", "t2", "bought", "s-1")}
    assert caplog.records[-1].dropped == 4  # type: ignore[attr-defined]


async def test_full_calls_fit_what_the_kafka_service_accepts(recorder: TraceRecorder, client: Client) -> None:
    for _ in range(module._MAX_WAITING // 4):
        ids = {kind: [os.urandom(18).hex() for _ in range(2)] for kind in ("session", "order", "product")}
        record(recorder, os.urandom(16).hex(), reason=os.urandom(200).hex(), ids=ids)

    await recorder.flush()

    batches = [batch for call in client.sent for batch in call]
    assert len(batches) > len(Importance)
    assert all(len(batch.lines) <= MAX_LINES_BYTES for batch in batches)
    assert all(len(msgspec.json.encode(call)) < _MAX_BODY for call in client.sent)
    assert sum(len(batch.keys) for batch in batches) == 7 * module._MAX_WAITING // 4


async def test_call_that_is_refused_for_good_is_dropped_and_the_next_is_sent(
    recorder: TraceRecorder, client: Client
) -> None:
    client.refuses = True
    for trace in ("refused", "stored"):
        record(recorder, trace, reason="x" * 300_000)

    assert await recorder.flush()

    assert [key for call in client.sent for batch in call for key in batch.keys] == [
        trace_key("refused"),
        trace_key("stored"),
    ]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("POST /order/api/create-payment-session", 409),
        ("GET /order/api/order-details/x", 200),
        ("HEAD /simulator/", 200),
    ],
)
async def test_reads_and_refused_requests_in_the_trace_of_a_purchase_are_routine(
    recorder: TraceRecorder, client: Client, name: str, status: int
) -> None:
    def line(kind: Kind, name: str, span: str, parent: str, status: int) -> None:
        one = InteractionLine(at=1, kind=kind, name=name, ms=1, trace_id="t", span_id=span, parent_id=parent,
                              status=status, callee="order" if kind == "forward" else "",
                              ids={"session": "s-2"} if kind == "serve" else UNSET)  # fmt: skip
        recorder.record(one, msgspec.json.encode(one), sampled=True)

    purchase = "POST /order/api/create-payment-session"
    line("request", purchase, "r1", "0", 201)
    line("forward", purchase, "f1", "r1", 201)
    line("call", "validate-user", "c1", "f1", 0)
    line("request", name, "r2", "0", status)
    line("forward", name, "f2", "r2", status)
    line("serve", name.replace("/order/api/", ""), "f2", "0", status)
    line("call", "validate-user", "c2", "f2", 0)

    assert await recorder.flush()

    by_importance = {batch.importance: zlib.decompress(batch.lines) for batch in client.sent[0]}
    assert by_importance.keys() == {Importance.PURCHASE, Importance.ROUTINE}
    assert [by_importance[Importance.PURCHASE].count(span) for span in (b'"r1"', b'"c1"', b'"r2"', b'"c2"')] == [
        2,
        1,
        0,
        0,
    ]
    assert [by_importance[Importance.ROUTINE].count(span) for span in (b'"r1"', b'"c1"', b'"r2"', b'"c2"')] == [
        0,
        0,
        2,
        1,
    ]


def test_last_part_of_a_path_may_be_an_id() -> None:
    order = "/order/api/order-details/01a22377-0e8c"

    assert path_id("request", f"GET {order}", 503) == path_id("request", f"POST {order}", 0) == "01a22377-0e8c"
    assert path_id("request", f"GET {order}", 0) == path_id("forward", f"POST {order}", 0) == ""
    assert path_id("request", "POST /order/api/create-payment-session", 0) == ""
    assert path_id("request", "GET /kafka/api/traces/01a22377-0e8c", 404) == ""

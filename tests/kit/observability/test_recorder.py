"""The recorder never loses a request's time to the store: it waits, sends again, and keeps a bounded number."""

import logging
from collections.abc import Sequence

import msgspec
import pytest

from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.contracts.traces import MAX_LINES_BYTES, Importance, TraceBatch, trace_key
from nextbuy.kit.observability import recorder as module
from nextbuy.kit.observability.interaction import InteractionLine
from nextbuy.kit.observability.recorder import TraceRecorder, path_id


class Client:
    """A kafka service that fails as long as it is `unavailable`."""

    def __init__(self) -> None:
        self.unavailable = False
        self.sent: list[list[TraceBatch]] = []

    async def store_interactions(self, batches: Sequence[TraceBatch]) -> None:
        """Take the batches."""
        self.sent.append(list(batches))
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


async def test_trace_is_as_important_as_its_most_important_interaction(recorder: TraceRecorder, client: Client) -> None:
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
        Importance.ROUTINE: {trace_key("plain"), trace_key("request-1")},
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


async def test_full_call_fits_what_the_kafka_service_accepts(recorder: TraceRecorder, client: Client) -> None:
    for number in range(module._MAX_PER_CALL):
        record(recorder, f"{number * 7919:032x}", reason="why " * 20, ids={"session": f"{number}" * 8})

    await recorder.flush()

    assert all(len(batch.lines) < MAX_LINES_BYTES for batches in client.sent for batch in batches)
    assert all(len(msgspec.json.encode(batches)) < 1_000_000 for batches in client.sent)
    assert sum(len(batch.keys) for batches in client.sent for batch in batches) == 2 * module._MAX_PER_CALL


def test_last_part_of_a_path_may_be_an_id() -> None:
    order = "/order/api/order-details/01a22377-0e8c"

    assert path_id("request", f"GET {order}", 503) == path_id("request", f"POST {order}", 0) == "01a22377-0e8c"
    assert path_id("request", f"GET {order}", 0) == path_id("forward", f"POST {order}", 0) == ""
    assert path_id("request", "POST /order/api/create-payment-session", 0) == ""
    assert path_id("request", "GET /kafka/api/traces/01a22377-0e8c", 404) == ""

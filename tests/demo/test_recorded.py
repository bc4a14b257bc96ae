"""The interactions of a trace as the demo draws them."""

from typing import Any

from nextbuy.demo.diagram import sequence_diagram
from nextbuy.demo.recorded import decode_interactions


def item(service: str, subscription: str, *, at: str, took_ms: float, outcome: str = "applied") -> dict[str, Any]:
    """Return an item of the API: an event that a service received for a subscription."""
    return {
        "at": f"2026-11-28T12:00:0{at}Z",
        "kind": "consume",
        "caller": "kafka",
        "callee": service,
        "name": "order.created",
        "subscription": subscription,
        "outcome": outcome,
        "took_ms": took_ms,
        "ids": {"event": ["e-1"]},
    }


def test_event_is_read_once_before_its_deliveries_and_until_the_last_ends() -> None:
    items = [
        item("admin", "create-notification", at="0.000", took_ms=8.0),
        item("analytics", "project-daily-figures", at="0.001", took_ms=20.0),
    ]

    drawn = sequence_diagram(decode_interactions(items), {}).splitlines()

    arrows = [line.strip().partition(":")[0] for line in drawn if ">>" in line]
    assert arrows == [
        "Kafka->>KafkaService",
        "KafkaService->>AdminService",
        "KafkaService->>AnalyticsService",
        "AdminService-->>KafkaService",
        "AnalyticsService-->>KafkaService",
        "KafkaService-->>Kafka",
    ]


def test_event_is_read_although_one_destination_rejects_it() -> None:
    items = [
        item("admin", "create-notification", at="0.000", took_ms=8.0, outcome="rejected"),
        item("analytics", "project-daily-figures", at="0.001", took_ms=20.0),
    ]

    [read] = [one for one in decode_interactions(items) if one.kind == "read"]

    assert (read.ok, round(read.ms)) == (True, 21)
    assert read.subscriptions == {"create-notification": "rejected", "project-daily-figures": "applied"}

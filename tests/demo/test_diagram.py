"""The diagram of a purchase shows the recorded interactions in order, as valid mermaid text."""

import re
from dataclasses import replace

import pytest

from nextbuy.demo.diagram import proof, sequence_diagram
from tests.demo.recorded_examples import ACTORS, PAY, WEBHOOK, failed, interaction, purchase, without

STATEMENT = re.compile(
    r"    (participant [A-Za-z0-9]+( as [A-Za-z0-9 ()]+)?|[A-Za-z0-9]+--?>>[A-Za-z0-9]+: (?:[^;#]|#\d+;)+)"
)


def arrows(diagram: str) -> list[str]:
    """Return the arrows of the diagram."""
    return [line.strip() for line in diagram.splitlines() if ">>" in line]


def test_purchase_is_drawn_with_each_reply_in_its_place() -> None:
    diagram = sequence_diagram(purchase(), ACTORS)

    assert diagram.split("\n") == [
        "sequenceDiagram",
        "    participant User",
        "    participant Gateway",
        "    participant OrderService",
        "    participant ProductService",
        "    participant AuthService",
        "    participant AdminService",
        "    participant PaymentSimulator",
        "    participant Kafka",
        "    participant KafkaService",
        "    User->>Gateway: POST /order/api/create-payment-session",
        "    Gateway->>OrderService: POST /order/api/create-payment-session",
        "    OrderService->>AuthService: validate-user",
        "    AuthService-->>OrderService: 200, 3.0 ms",
        "    OrderService->>ProductService: validate-products",
        "    ProductService-->>OrderService: 200, 4.0 ms",
        "    OrderService-->>Gateway: 201, 28.0 ms",
        "    Gateway-->>User: 201, 30.0 ms",
        "    User->>Gateway: POST /simulator/api/pay/{id}",
        "    Gateway->>PaymentSimulator: POST /simulator/api/pay/{id}",
        "    PaymentSimulator->>Gateway: payment-webhook",
        "    Gateway->>OrderService: POST /order/api/payment-webhook",
        "    OrderService->>ProductService: update-stock",
        "    ProductService-->>OrderService: 200, 5.0 ms",
        "    OrderService->>OrderService: create-orders: 1 order",
        "    OrderService->>Kafka: order.created",
        "    Kafka-->>OrderService: order.created: ok, 3.0 ms",
        "    Kafka->>KafkaService: order.created",
        "    KafkaService->>AdminService: order.created (create-notification)",
        "    OrderService-->>Gateway: 200, 36.0 ms",
        "    Gateway-->>PaymentSimulator: 200, 40.0 ms",
        "    AdminService-->>KafkaService: order.created: ok, 8.0 ms",
        "    KafkaService-->>Kafka: order.created: ok, 8.0 ms",
        "    PaymentSimulator-->>Gateway: 200, 48.0 ms",
        "    Gateway-->>User: 200, 50.0 ms",
    ]


@pytest.mark.parametrize(
    ("carrier", "participant"), [("Redis Streams", "Kafka as Kafka (Redis Streams)"), ("Kafka", "Kafka"), ("", "Kafka")]
)
def test_real_carrier_is_named_beside_the_bus_of_the_specification(carrier: str, participant: str) -> None:
    recorded = [replace(one, carrier=carrier) if one.kind == "publish" else one for one in purchase()]

    lines = sequence_diagram(recorded, ACTORS).split("\n")

    assert f"    participant {participant}" in lines
    assert all(STATEMENT.fullmatch(line) for line in lines[1:])


def test_proof_of_a_published_event_names_the_real_carrier() -> None:
    published = replace(next(one for one in purchase() if one.kind == "publish"), carrier="Redis Streams")

    assert proof(published) == "publish order.created: ok, 3.0 ms, over Redis Streams"


def test_order_of_the_records_does_not_matter() -> None:
    recorded = purchase()

    assert sequence_diagram([*recorded[1::2], *reversed(recorded[::2])], ACTORS) == sequence_diagram(purchase(), ACTORS)


def test_simultaneous_interactions_are_nested_as_their_calls() -> None:
    at_once = [replace(one, at=1.0, ms=0.0) for one in purchase()[:4]]

    assert [arrow.partition(":")[0] for arrow in arrows(sequence_diagram(reversed(at_once), ACTORS))] == [
        "User->>Gateway",
        "Gateway->>OrderService",
        "OrderService->>ProductService",
        "ProductService-->>OrderService",
        "OrderService->>AuthService",
        "AuthService-->>OrderService",
        "OrderService-->>Gateway",
        "Gateway-->>User",
    ]


@pytest.mark.parametrize("shift", [-0.0005, 0.0005])
def test_call_slightly_outside_its_parent_is_drawn_inside(shift: float) -> None:
    request, forward, call, *_ = purchase()
    early_or_late = replace(call, at=forward.at + shift, ms=forward.ms - 0.1)

    assert [
        arrow.partition(":")[0] for arrow in arrows(sequence_diagram([request, forward, early_or_late], ACTORS))
    ] == [
        "User->>Gateway",
        "Gateway->>OrderService",
        "OrderService->>AuthService",
        "AuthService-->>OrderService",
        "OrderService-->>Gateway",
        "Gateway-->>User",
    ]


def test_failed_attempt_and_its_retry_are_both_drawn() -> None:
    request, forward, call, *_ = purchase()
    first = failed(replace(call, ms=1.0), "auth-unavailable", 503)
    second = replace(call, at=call.at + 0.010, attempt=2)

    drawn = arrows(sequence_diagram([request, forward, first, second], ACTORS))

    assert drawn[2:6] == [
        "OrderService->>AuthService: validate-user",
        "AuthService-->>OrderService: 503 auth-unavailable, 1.0 ms",
        "OrderService->>AuthService: validate-user (attempt 2)",
        "AuthService-->>OrderService: 200, 3.0 ms",
    ]


def test_call_that_outlives_its_caller_ends_after_it() -> None:
    request, forward, call, *_ = purchase()
    long = replace(call, ms=500.0)

    drawn = arrows(sequence_diagram([request, forward, long], ACTORS))

    assert drawn[-1] == "AuthService-->>OrderService: 200, 500.0 ms"


def test_concurrent_calls_both_reply_to_their_caller() -> None:
    request, forward, call, other, *_ = purchase()
    drawn = arrows(sequence_diagram([request, forward, call, replace(other, at=call.at + 0.001)], ACTORS))

    assert [arrow.partition(":")[0] for arrow in drawn[2:6]] == [
        "OrderService->>AuthService",
        "OrderService->>ProductService",
        "AuthService-->>OrderService",
        "ProductService-->>OrderService",
    ]


def test_webhook_without_a_record_of_its_sender_is_the_simulators() -> None:
    drawn = arrows(sequence_diagram(without(purchase(), "webhook", "payment-webhook"), ACTORS))

    assert f"PaymentSimulator->>Gateway: {WEBHOOK}" in drawn


def test_step_has_an_outcome_and_no_reply() -> None:
    step = replace(interaction(5, 0, "step", ("product", "product"), "auto-moderation"), outcome="pending")

    assert arrows(sequence_diagram([step], ACTORS)) == ["ProductService->>ProductService: auto-moderation: pending"]


def test_no_text_can_break_a_statement() -> None:
    odd = [
        interaction(0, 1, "request", ("client", "gateway"), "GET /a;b#c\nUser->>Kafka: lies\x1b[31m"),
        interaction(1, 1, "call", ("order-line", "new_part"), "x"),
        failed(interaction(2, 1, "call", ("order", "auth"), "y"), "no; really #1", 500),
    ]

    head, *lines = sequence_diagram(odd, {}).split("\n")

    assert head == "sequenceDiagram"
    assert all(STATEMENT.fullmatch(line) for line in lines)
    assert "    Client->>Gateway: GET /a#59;b#35;c User->>Kafka: lies [31m" in lines
    assert "    participant OrderLineService" in lines


def test_diagram_of_a_purchase_is_valid_and_fits_a_terminal() -> None:
    _, *lines = sequence_diagram(purchase(), ACTORS).split("\n")

    assert all(STATEMENT.fullmatch(line) for line in lines)
    assert max(map(len, lines)) <= 80
    assert PAY not in "".join(lines)


def test_no_records_are_an_empty_diagram() -> None:
    assert sequence_diagram([], ACTORS) == "sequenceDiagram"

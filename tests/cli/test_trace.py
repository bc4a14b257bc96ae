"""The story that `nextbuy trace` prints: from where to where, how long, why it failed, and where it waited."""

from collections.abc import Sequence
from typing import Any

from nextbuy.cli.trace import story_lines
from nextbuy.kit.observability.interaction import Interaction, InteractionLine, Kind

START = 1_767_225_600.0
"""2026-01-01 00:00:00 UTC."""


def part(kind: Kind, name: str, at: float = 0.0, ms: float = 1.0, **fields: object) -> Interaction:
    line = InteractionLine(at=START + at, kind=kind, name=name, ms=ms, trace_id="a" * 32, **fields)  # type: ignore[arg-type]
    return line.complete()


def text(story: Sequence[Interaction]) -> str:
    return "\n".join(story_lines(story))


def test_call_is_one_row_with_the_time_in_its_callee() -> None:
    span: dict[str, Any] = {"span_id": "b" * 16, "caller": "order", "callee": "product"}
    story = [part("call", "hold-stock", ms=9, **span), part("serve", "hold-stock", 0.001, ms=7, **span)]

    assert "00:00:00.000  order → product  hold-stock  9.0 ms (7.0 in product)  200 ok" in text(story)
    assert "1 interaction in 9 ms" in text(story)


def test_callee_that_answered_too_late_has_a_row_of_its_own() -> None:
    span: dict[str, Any] = {"span_id": "b" * 16, "caller": "order", "callee": "product"}
    story = [
        part("call", "hold-stock", ms=3_000, outcome="deadline-passed", status=504, attempt=2, **span),
        part("serve", "hold-stock", 0.001, ms=3_200, **span),
    ]

    assert "hold-stock (attempt 2)   3000.0 ms  FAILED 504 deadline-passed" in text(story)
    assert "hold-stock (in product)  3200.0 ms  200 ok" in text(story)


def test_failures_and_waits_are_in_the_summary() -> None:
    story = [
        part("call", "update-stock", outcome="product-unavailable", status=503, reason="no <- OSError: refused",
             caller="order", callee="product"),
        part("call", "update-stock", 12.4, attempt=2, caller="order", callee="product"),
    ]  # fmt: skip

    lines = text(story)

    failure = "Failures: 00:00:00.000 order → product update-stock: 503 product-unavailable: no <- OSError: refused"
    assert failure in lines
    assert "Waited:   12.4 s between 00:00:00.001 (update-stock) and 00:00:12.400 (order → product," in lines
    assert "… 12.4 s without any interaction …" in lines


def test_slow_call_is_a_wait_and_what_waits_for_it_is_none() -> None:
    story = [
        part("request", "POST /order/api/payment-webhook", ms=1_520, outcome="order-delayed", status=503),
        part("forward", "POST /order/api/payment-webhook", 0.005, ms=1_510, callee="order"),
        part("call", "update-stock", 0.01, ms=1_500, outcome="deadline-passed", caller="order", callee="product"),
    ]

    lines = text(story)

    assert "Waited:   1.5 s at 00:00:00.010 for order → product update-stock\n" in lines
    assert lines.count("1.5 s at") == 1


def test_story_without_trouble_says_so() -> None:
    lines = text([part("publish", "order.created", caller="order", ids={"number": "NB-1", "order": "o-1"})])

    assert "Number:   NB-1\nOrder:    o-1\n" in lines
    assert "Failures: none\nWaited:   never for more than 1 s" in lines


def test_consumed_event_names_each_subscription_and_what_became_of_it() -> None:
    story = [
        part("consume", "order.paid", callee="analytics", subscriptions=["figures", "sellers"]),
        part("consume", "order.paid", callee="admin", subscriptions={"notify": "rejected"}, outcome="rejected"),
    ]

    assert "kafka → analytics  event order.paid for figures, sellers" in text(story)
    assert "FAILED notify rejected" in text(story)


def test_control_characters_never_reach_the_terminal() -> None:
    planted = "x\x1b[2J\x1b]0;title\x07\n00:00:00.000  bank → thief\r\u202e"
    story = [
        part("call", planted, caller=planted, callee=planted, outcome=planted, reason=planted,
             ids={"session": planted, "number": [planted]}),
        part("consume", planted, callee=planted, subscriptions={planted: planted}, outcome="rejected"),
        part("step", planted, caller=planted, callee=planted, outcome=planted),
        part("publish", planted, caller=planted, reason=planted),
    ]  # fmt: skip

    lines = list(story_lines(story))

    assert [line for line in lines if not line.isprintable()] == []

"""Sequence diagrams of interactions."""

from datetime import UTC, datetime

from nextbuy.web.sequence import Interaction, draw

START = datetime(2026, 11, 29, tzinfo=UTC)


def interaction(
    kind: str, caller: str, callee: str, name: str = "ask", outcome: str = "ok", attempt: int = 1
) -> Interaction:
    return Interaction(
        at=START,
        service=caller,
        kind=kind,
        name=name,
        outcome=outcome,
        took_ms=1.0,
        caller=caller,
        callee=callee,
        attempt=attempt,
    )


def test_lifelines_are_in_the_order_of_the_architecture() -> None:
    drawn = draw([interaction("call", "order", "auth"), interaction("request", "client", "gateway")])

    assert [line.name for line in drawn.lifelines] == ["client", "gateway", "auth", "order"]
    assert [line.x for line in drawn.lifelines] == sorted({line.x for line in drawn.lifelines})


def test_arrow_leads_from_caller_to_callee_below_the_one_before() -> None:
    drawn = draw([interaction("call", "order", "auth"), interaction("publish", "order", "kafka", "order.paid")])

    places = {line.name: line.x for line in drawn.lifelines}
    first, second = drawn.arrows
    assert (first.x1, first.x2) == (places["order"], places["auth"])
    assert (second.label, second.x2) == ("order.paid", places["kafka"])
    assert first.y < second.y < drawn.height


def test_arrival_of_a_call_is_not_drawn_again() -> None:
    drawn = draw([interaction("call", "order", "auth"), interaction("serve", "order", "auth")])

    assert len(drawn.arrows) == 1


def test_equal_messages_in_a_row_are_drawn_once() -> None:
    consumed = interaction("consume", "kafka", "analytics", "order.paid", outcome="applied")

    drawn = draw([consumed, consumed, consumed, interaction("call", "order", "auth")])

    assert [arrow.count for arrow in drawn.arrows] == [3, 1]


def test_failure_is_marked_and_named() -> None:
    drawn = draw([interaction("call", "order", "auth", outcome="breaker-open", attempt=2)])

    assert drawn.arrows[0].failed
    assert drawn.arrows[0].label == "ask (attempt 2): breaker-open"


def test_step_stays_on_its_lifeline() -> None:
    [arrow] = draw([interaction("step", "order", "order", "create-orders", outcome="2 orders")]).arrows

    assert arrow.x1 == arrow.x2 < arrow.middle
    assert not arrow.failed


def test_empty_story_has_an_empty_diagram() -> None:
    drawn = draw([])

    assert (drawn.lifelines, drawn.arrows) == ([], [])

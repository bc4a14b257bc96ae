"""The story that `nextbuy trace` prints: from where to where, how long, why it failed, and where it waited."""

from collections.abc import Sequence
from typing import Any

from nextbuy.cli.story_summary import StoryContext
from nextbuy.cli.trace import story_lines
from nextbuy.kit.observability.interaction import Interaction, InteractionLine, Kind
from nextbuy.kit.service_context import Destination

START = 1_767_225_600.0
"""2026-01-01 00:00:00 UTC."""


def part(kind: Kind, name: str, at: float = 0.0, ms: float = 1.0, **fields: object) -> Interaction:
    line = InteractionLine(at=START + at, kind=kind, name=name, ms=ms, trace_id="a" * 32, **fields)  # type: ignore[arg-type]
    return line.complete()


def text(story: Sequence[Interaction], *, now: float = 60.0, wanted: str = "", **known: object) -> str:
    ordered = sorted(story, key=lambda one: one.order)
    return "\n".join(story_lines(ordered, StoryContext(wanted, now=START + now, **known)))  # type: ignore[arg-type]


def test_call_is_one_row_with_the_time_in_its_callee() -> None:
    span: dict[str, Any] = {"span_id": "b" * 16, "caller": "order", "callee": "product"}
    story = [part("call", "hold-stock", ms=9, **span), part("serve", "hold-stock", 0.001, ms=7, **span)]

    assert "00:00:00.000  order → product  hold-stock  9.0 ms (7.0 in product)  200 ok" in text(story)
    assert "1 interaction in 9 ms" in text(story)


def test_late_reply_of_a_callee_has_a_row_of_its_own() -> None:
    span: dict[str, Any] = {"span_id": "b" * 16, "caller": "order", "callee": "product"}
    story = [
        part("call", "hold-stock", ms=3_000, outcome="deadline-passed", status=504, attempt=2, **span),
        part("serve", "hold-stock", 0.001, ms=3_200, **span),
    ]

    assert "hold-stock (attempt 2)               3000.0 ms  FAILED 504 deadline-passed" in text(story)
    assert "late reply to attempt 2: hold-stock  3200.0 ms  200 ok" in text(story)


def test_failures_and_waits_are_in_the_summary() -> None:
    story = [
        part("call", "update-stock", outcome="product-unavailable", status=503, reason="no <- OSError: refused",
             caller="order", callee="product"),
        part("call", "update-stock", 12.4, attempt=2, caller="order", callee="product"),
    ]  # fmt: skip

    lines = text(story)

    failure = "Failures: 00:00:00.000 order → product update-stock: 503 product-unavailable: no <- OSError: refused"
    assert failure in lines
    assert f"{failure} (a later attempt succeeded)" in lines
    assert "Waited:   12.4 s at 00:00:00.000 for order → product update-stock (2 attempts, the last succeeded)" in lines
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


def test_overlapping_waits_are_merged() -> None:
    lines = text(
        [
            part("publish", "payment-session.opened", ms=1_500, caller="order", carrier="Kafka", ids={"event": "e"}),
            part("forward", "POST /order/api/pay", 0.01, ms=1_490, callee="order", parent_id="c" * 16),
            part("request", "GET /order", 61.5, span_id="d" * 16),
        ]
    )

    assert (
        "Waited:   1.5 s at 00:00:00.000 for order → bus (Kafka) event payment-session.opened; gateway → order POST"
        in lines
    )
    assert "60.0 s waiting for the client, between 00:00:01.500 (" in lines


def test_event_that_the_bus_did_not_accept_is_a_failure_and_not_published() -> None:
    refused = part("publish", "order.created", caller="order", outcome="bus-unavailable", reason="no answer",
                   ids={"event": "e", "order": "o"})  # fmt: skip
    accepted = part("publish", "order.created", 14.0, caller="order", carrier="Kafka", ids={"event": "e"})
    product = Destination("product", {"order.created": ["count-activity"]})

    waiting = text([refused], destinations=[product])
    delivered = text([refused, accepted, receipt("order.created", "e", "product", 0.1)], destinations=[product])

    assert "Missing:  order.created is not published yet (first attempt 60.0 s ago)" in waiting
    assert "order → bus event order.created: bus-unavailable: no answer" in waiting
    assert "Missing:" not in delivered


def test_events_of_several_orders_have_their_numbers() -> None:
    story = [
        part("publish", "order.created", caller="order", ids={"event": f"e{n}", "order": f"o{n}", "number": f"NB-{n}"})
        for n in (1, 2)
    ]

    lines = text([*story, receipt("order.paid", "e3", "admin")])

    assert "event order.created of NB-1" in lines
    assert "event order.created of NB-2" in lines


def test_open_session_says_that_the_report_of_its_payment_failed() -> None:
    opened = part("publish", "payment-session.opened", caller="order", ids={"event": "e", "session": "s"})
    report = part("request", "POST /order/api/payment-webhook", 1.0, outcome="order-unavailable", status=503)

    assert "State:    open\n          The provider reported a payment, but its webhook failed." in text(
        [opened, report]
    )
    assert "Waited:   never for more than 1 s so far" in text([opened])


def test_story_without_failures_and_waits_says_so() -> None:
    lines = text([part("publish", "order.created", caller="order", ids={"number": "NB-1", "order": "o-1"})])

    assert "Number:   NB-1\nOrder:    o-1\n" in lines
    assert "Failures: none\nWaited:   never for more than 1 s" in lines


def test_consumed_event_names_each_subscription_with_its_outcome() -> None:
    story = [
        part("consume", "order.paid", callee="analytics", subscriptions=["figures", "sellers"]),
        part("consume", "order.paid", callee="admin", subscriptions={"notify": "rejected"}, outcome="rejected"),
    ]

    assert "bus → analytics  event order.paid for figures, sellers" in text(story)
    assert "FAILED notify rejected" in text(story)


# ── outcome ──


def event(
    topic: str, event_id: str, at: float = 0.0, ids: dict[str, str] | None = None, **fields: object
) -> Interaction:
    every = {"event": event_id, **(ids or {})}
    return part("publish", topic, at, 1.0, span_id=f"{event_id:0>16}", caller="order", ids=every, **fields)


def receipt(topic: str, event_id: str, by: str, at: float = 0.0, outcome: str = "ok") -> Interaction:
    return part("consume", topic, at, callee=by, outcome=outcome, subscriptions={"x": outcome}, ids={"event": event_id})


SESSION = {"session": "s-1"}
DESTINATIONS = [Destination("admin", {"order.created": ["x"]}), Destination("notification", {"order.created": ["x"]})]


def test_state_is_the_first_line_and_the_furthest_that_any_line_reports() -> None:
    received = [part("call", "hold-stock", ids=SESSION), event("payment.received", "1", ids=SESSION)]
    # The publisher was killed before its lines were stored.
    paid = [*received, receipt("order.created", "2", "admin", at=-1.0), receipt("order.created", "3", "admin")]
    for order_id, one in zip(("o-1", "o-2"), paid[-2:], strict=True):
        one.ids["order"] = [order_id]

    assert text(received[:1]).startswith("State:    unknown, no event of it is stored\n")
    assert text(received).startswith("State:    payment received\n")
    assert text(paid).startswith("State:    paid, 2 orders\n")
    assert "Events:   order.created, payment.received\n" in text(paid)
    assert text([*paid, event("payment.refunded", "4")]).startswith("State:    refunded\n")


def test_unfinished_purchase_says_how_long_nothing_happened() -> None:
    opened = [event("payment-session.opened", "1", ids=SESSION)]

    assert "Since then: nothing for 6 min\n" in text(opened, now=360)
    assert "Since then" not in text([*opened, event("order.paid", "2", 1.0)], now=360)


def test_event_that_has_not_reached_a_destination_is_missing() -> None:
    story = [event("order.created", "1", 1.0), receipt("order.created", "1", "admin", 1.1)]
    missing = "Missing:  order.created has not reached notification (published 2.7 s ago)\n"

    for waiting in (story, [*story, receipt("order.created", "1", "notification", 1.2, "retry")], story[1:]):
        found = text(waiting, now=3.7 if waiting[0].kind == "publish" else 3.8, destinations=DESTINATIONS)
        assert missing in found
    arrived = receipt("order.created", "1", "notification", 9.0)
    assert "Missing:" not in text([*story, arrived], destinations=DESTINATIONS)


def test_declined_and_failed_payments_are_failures_and_a_refund_is_none() -> None:
    declined = text([event("payment.declined", "1", reason="card_declined", ids=SESSION)])
    failed = text([event("payment.failed", "1", reason="Your bank refused.", ids=SESSION)])
    refunded = text([event("payment.refunded", "1", reason="sold-out", ids=SESSION)])

    assert declined.startswith("State:    declined\n")
    assert "Failures: 00:00:00.000 payment.declined: card_declined\n" in declined
    assert "event payment.declined  1.0 ms  DECLINED card_declined" in declined
    assert failed.startswith("State:    payment failed\n")
    assert "event payment.failed  1.0 ms  FAILED Your bank refused." in failed
    assert "Failures: none\n" in refunded


# ── failures ──


def test_failure_of_several_attempts_is_one_line_at_its_origin() -> None:
    story = []
    for attempt in range(1, 5):
        spans = [f"{attempt}{level}" * 8 for level in range(3)]
        refused: dict[str, Any] = {"status": 503, "at": float(attempt) / 4}
        story += [
            part("webhook", "paid", span_id=spans[0], outcome="refused", attempt=attempt, **refused),
            part("request", "POST /hook", span_id=spans[1], parent_id=spans[0], outcome="order-unavailable", **refused),
            part("forward", "POST /hook", span_id=spans[2], parent_id=spans[1], outcome="order-unavailable",
                 callee="order", reason="connection refused " + "x" * 300, **refused),
        ]  # fmt: skip

    lines = text(story)

    [failures] = [line for line in lines.split("\n") if line.startswith("Failures:")]
    assert failures.startswith("Failures: 00:00:00.2 to 01.0 gateway → order POST /hook, 4 times: 503")
    assert failures.endswith("x…")
    assert len(failures) < 200
    assert "\nWaited:" in lines.partition(failures)[2], "each failure has one line"
    assert lines.count("FAILED 503 refused: connection refused") == 4
    assert "client → gateway" not in lines
    assert "simulator → gateway  POST /hook" in lines


def test_refusal_has_the_reason_of_the_service_in_each_row() -> None:
    refused: dict[str, Any] = {"outcome": "unprocessable", "status": 422, "callee": "simulator"}
    story = [
        part("request", "POST /pay", span_id="a" * 16, outcome="unprocessable", status=422),
        part("forward", "POST /pay", 0.1, span_id="b" * 16, parent_id="a" * 16, **refused),
        part("serve", "POST pay", 0.2, span_id="b" * 16, reason="missing required field card_number", **refused),
    ]

    lines = text(story)

    assert lines.count("FAILED 422 unprocessable: missing required field card_number") == 2
    assert lines.count("422 unprocessable") == 3, "the summary names it once"


# ── waits ──


def test_attempts_of_a_call_wait_together() -> None:
    call: dict[str, Any] = {"caller": "order", "callee": "product", "parent_id": "c" * 16}
    story = [
        part("call", "update-stock", 0.0, 900, outcome="deadline-passed", status=504, attempt=1, **call),
        part("call", "update-stock", 0.95, 900, outcome="deadline-passed", status=504, attempt=2, **call),
        part("call", "update-stock", 1.9, 100, attempt=3, **call),
    ]

    wait = "Waited:   2.0 s at 00:00:00.000 for order → product update-stock (3 attempts, the last succeeded)\n"
    assert wait in text(story)


# ── shared ids ──


def test_story_of_a_product_lists_its_purchases_and_no_waits() -> None:
    product = {"product": "p-1"}
    story = [
        part("call", "hold-stock", 0.0, caller="order", callee="product", ids=product | SESSION),
        part("call", "hold-stock", 50.0, caller="order", callee="product", ids=product | {"session": "s-2"}),
    ]
    first = [event("order.paid", "1", ids={"number": "NB-1", "order": "o-1"} | SESSION)]
    second = [event("payment-session.opened", "2", ids={"session": "s-2"})]

    lines = text(story, wanted="p-1", purchases=[second, first], more_purchases=3)

    assert lines.startswith("Product:  p-1\nBegan:")
    assert "Purchases: s-2: open\n           NB-1: paid, 1 order\n           and 3 earlier\n" in lines
    assert "nextbuy trace NB-…" in lines
    assert "Failures: none in the interactions below; a purchase has its own\n" in lines
    assert "Waited" not in lines
    assert "without any interaction" not in lines


def test_names_say_bus_and_carrier() -> None:
    lines = text([event("order.paid", "1", carrier="Redis Streams"), receipt("order.paid", "1", "admin", 1.0)])

    assert "order → bus (Redis Streams)  event order.paid" in lines
    assert "bus → admin" in lines


def test_control_characters_never_reach_the_terminal() -> None:
    planted = "x\x1b[2J\x1b]0;title\x07\n00:00:00.000  bank → thief\r\u202e"
    story = [
        part("call", planted, caller=planted, callee=planted, outcome=planted, reason=planted,
             ids={"session": planted, "number": [planted]}),
        part("consume", planted, callee=planted, subscriptions={planted: planted}, outcome="rejected"),
        part("step", planted, caller=planted, callee=planted, outcome=planted),
        part("publish", planted, caller=planted, reason=planted),
    ]  # fmt: skip

    lines = text(story).split("\n")

    assert [line for line in lines if not line.isprintable()] == []

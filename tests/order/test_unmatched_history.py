"""An unmatched payment rebuilt from its events."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from nextbuy.contracts.order import PaymentUnmatched, Reason, UnmatchedPaymentGivenUp, UnmatchedPaymentRefunded
from nextbuy.contracts.values import Money
from nextbuy.order.unmatched_history import Origin, UnmatchedPaymentProjection, evolve_unmatched

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = datetime(2026, 5, 2, tzinfo=UTC)
ORIGIN = Origin(NOW, "00-trace-span-00", "my-purchase")


def test_payment_of_an_unknown_session_is_received_once_then_refunded_once() -> None:
    facts: dict[str, Any] = {"payment_id": "pay_3", "session_id": None, "total": Money(5), "reason": Reason.UNMATCHED}
    received = PaymentUnmatched(**facts)
    refunded = UnmatchedPaymentRefunded(**facts, refund_id="re_3")

    payment = evolve_unmatched(None, received, ORIGIN)
    after = evolve_unmatched(payment, refunded, replace(ORIGIN, at=LATER))

    assert payment == UnmatchedPaymentProjection(
        session_id=None,
        buyer_id=None,
        total=Money(5),
        reason=Reason.UNMATCHED,
        traceparent=ORIGIN.traceparent,
        correlation_id=ORIGIN.correlation_id,
        received_at=NOW,
    )
    assert after == replace(payment, refund_id="re_3")
    assert evolve_unmatched(payment, received, ORIGIN) is None
    assert evolve_unmatched(after, refunded, ORIGIN) is None
    assert evolve_unmatched(None, refunded, ORIGIN) is None

    given_up = UnmatchedPaymentGivenUp(**facts, note="By hand.")
    ended = evolve_unmatched(payment, given_up, ORIGIN)
    assert ended == replace(payment, give_up_note="By hand.")
    assert evolve_unmatched(ended, refunded, ORIGIN) == replace(ended, refund_id="re_3")
    assert evolve_unmatched(after, given_up, ORIGIN) is None

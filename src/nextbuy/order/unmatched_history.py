"""The events of a payment that no checkout can use, and the fold that rebuilds the payment from them.

The events of a payment that names a known session are events of that session (`order/history.py`).
"""

from datetime import datetime
from typing import Final, TypeGuard
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.message import Event
from nextbuy.contracts.order import (
    PaymentGivenUp,
    PaymentRefunded,
    PaymentUnmatched,
    RefundDue,
    UnmatchedPaymentGivenUp,
    UnmatchedPaymentRefunded,
)
from nextbuy.contracts.values import Money

UNMATCHED_EVENTS: Final[tuple[type[Event], ...]] = (
    PaymentUnmatched,
    UnmatchedPaymentGivenUp,
    UnmatchedPaymentRefunded,
)
"""The events of an unmatched payment of an unknown session; one of a known session is in the events of its session."""


class Origin(Struct, frozen=True):
    """The time at which an event was published, and the span that published it."""

    at: datetime
    traceparent: str
    correlation_id: str


TracedEvent = tuple[Event, Origin]
"""An event of the log, with its origin."""


class UnmatchedPaymentProjection(Struct, frozen=True, kw_only=True):
    """A payment that no checkout can use; it is refunded, or given up."""

    session_id: UUID | None
    buyer_id: UUID | None
    """None if the session is unknown."""
    total: Money
    reason: str
    refund_id: str | None = None
    give_up_note: str | None = None
    traceparent: str
    correlation_id: str
    received_at: datetime


def evolve_unmatched(
    payment: UnmatchedPaymentProjection | None, event: Event, origin: Origin
) -> UnmatchedPaymentProjection | None:
    """Apply one event to an unmatched payment; return None if its state does not allow the event."""
    match event:
        case RefundDue() | PaymentUnmatched() if payment is None:
            return UnmatchedPaymentProjection(
                session_id=event.session_id,
                buyer_id=event.buyer_id if isinstance(event, RefundDue) else None,
                total=event.total,
                reason=event.reason,
                traceparent=origin.traceparent,
                correlation_id=origin.correlation_id,
                received_at=origin.at,
            )
        case PaymentRefunded() | UnmatchedPaymentRefunded() if payment is not None and payment.refund_id is None:
            return replace(payment, refund_id=event.refund_id)
        case PaymentGivenUp() | UnmatchedPaymentGivenUp() if is_refund_due(payment):
            return replace(payment, give_up_note=event.note)
    return None


def is_refund_due(payment: UnmatchedPaymentProjection | None) -> TypeGuard[UnmatchedPaymentProjection]:
    """Return whether an unmatched payment exists that is neither refunded nor given up."""
    return payment is not None and payment.refund_id is None and payment.give_up_note is None

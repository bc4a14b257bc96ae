"""The stuck work of order: paid checkouts without orders, refunds, and releases of stock."""

from enum import StrEnum
from typing import Final

from nextbuy.kit.stuck import StuckWork, leased_kind
from nextbuy.order.model import State
from nextbuy.order.store.sessions import COMPLETION, RELEASE
from nextbuy.order.store.unmatched_payments import REFUND


class WorkKind(StrEnum):
    """The kinds of stuck work; the id is that of the payment session, or the provider's payment of a refund."""

    CHECKOUT = "checkout"
    """A paid checkout without orders."""
    REFUND = "refund"
    STOCK_RELEASE = "stock-release"
    UNMATCHED_REFUND = "unmatched-refund"
    """The refund of a payment that matches no open checkout."""


STUCK: Final = StuckWork(
    leased_kind(WorkKind.CHECKOUT, COMPLETION, condition=f"status = '{State.PAYING}'"),
    leased_kind(WorkKind.REFUND, COMPLETION, key="payment_id", condition=f"status = '{State.REFUND_DUE}'"),
    leased_kind(WorkKind.STOCK_RELEASE, RELEASE),
    leased_kind(WorkKind.UNMATCHED_REFUND, REFUND),
)

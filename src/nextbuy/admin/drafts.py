"""The texts of notifications for admins: what an event means to them, and the page on which they can act."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.findings import findings_text
from nextbuy.contracts.message import Event
from nextbuy.contracts.money import format_money
from nextbuy.contracts.order import (
    OrderCreated,
    PaymentRefunded,
    RefundReported,
    UnmatchedRefundReported,
    order_summary,
    reason_text,
)
from nextbuy.contracts.product import ProductPending, ProductRejected
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.text import as_sentence, quoted, single_line

ADMIN_EVENTS: Final[tuple[type[Event], ...]] = (
    ProductPending,
    ProductRejected,
    SellerRegistered,
    OrderCreated,
    PaymentRefunded,
    RefundReported,
    UnmatchedRefundReported,
)
"""Events that may notify the admins."""
NEW_PRODUCTS: Final = "new-products"
"""The kind of a notification that counts the new products of a shop on a day."""


class NotificationDraft(Struct, frozen=True, kw_only=True):
    """A notification for the admins, one per event and kind; `link` is the path of a page, or empty."""

    source_event_id: UUID
    occurred_at: datetime
    position: int
    kind: str
    title: str
    message: str
    link: str


def draft_of(inbound: InboundEvent) -> NotificationDraft | None:
    """Return the notification about an event for the admins, or None if they need none."""
    event = inbound.event
    match event:
        case ProductPending():
            kind, title = "product-pending", "Product waiting for approval"
            rules = f": {', '.join(rule.replace('-', ' ') for rule in event.rules)}" if event.rules else ""
            message = f"{quoted(event.title)} scored {event.score} of 100 in moderation{rules}. Approve or reject it."
            link = "/admin/queue"
        case ProductRejected(by=None):
            kind, title = "product-rejected", "Product rejected by moderation"
            findings = single_line(findings_text(event.findings))
            message = f"{quoted(event.title)} was rejected. {findings} Its seller can change it."
            link = f"/product/{event.product_id}"
        case SellerRegistered():
            kind, title = "seller-registered", "Seller waiting for approval"
            message = f"{quoted(event.shop_name)} waits for approval and cannot sell yet. Approve or reject it."
            link = "/admin/queue?kind=shops"
        case OrderCreated():
            kind, title = "order-created", "New order"
            message = f"A buyer placed and paid for order {order_summary(event)}. No action is needed."
            link = f"/order/{event.order_id}"
        case PaymentRefunded():
            kind, title, link = "payment-refunded", "Payment refunded", ""
            payment = f"Payment {single_line(event.payment_id)} ({format_money(event.total)})"
            message = f"{payment} was refunded: {as_sentence(reason_text(event.reason))} No action is needed."
        case RefundReported() | UnmatchedRefundReported():
            kind, title, link = "refund-reported", "Refund to check", ""
            message = (
                f"The payment provider refunded {format_money(event.total)} of payment {single_line(event.payment_id)}."
                " This is not the full refund of a recorded payment, so its checkout and orders stay as they are."
                " Check the payment at the provider."
            )
        case _:
            return None
    return NotificationDraft(
        source_event_id=inbound.id,
        occurred_at=inbound.envelope.time,
        position=inbound.position,
        kind=kind,
        title=title,
        message=message,
        link=link,
    )

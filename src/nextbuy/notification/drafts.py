"""The texts of notifications and e-mails about events, for the owner of the account concerned.

Each names the shop, product, order, payment or account, what happened, why, and what to do. It has no personal data of
others.

Topics are delivered independently of each other, so an older event may come last. Notifications with the same `about`
concern the same shop, product or payment session. A mail that reports a state (a shop is open, a payment was declined)
is not sent once there is a newer notification with the same `about`; a mail that reports a fact (an order, a refund)
is always sent.
"""

from typing import Final
from uuid import UUID

from nextbuy.contracts.findings import findings_text
from nextbuy.contracts.message import Event
from nextbuy.contracts.money import format_money
from nextbuy.contracts.order import (
    OrderCreated,
    OrderRefunded,
    PaymentFailed,
    PaymentGivenUp,
    PaymentRefunded,
    Reason,
    SessionCancelled,
    SessionExpired,
    order_summary,
    reason_text,
)
from nextbuy.contracts.product import ProductApproved, ProductPending, ProductRejected
from nextbuy.contracts.seller import SellerApproved, SellerRejected, SellerSuspended
from nextbuy.kit.text import as_sentence, quoted, single_line
from nextbuy.notification.account_drafts import ABOUT_ACCOUNTS, about_account
from nextbuy.notification.model import NotificationDraft

ACCOUNT_EVENTS: Final[tuple[type[Event], ...]] = (
    OrderCreated,
    OrderRefunded,
    PaymentFailed,
    PaymentGivenUp,
    PaymentRefunded,
    SessionCancelled,
    SessionExpired,
    SellerApproved,
    SellerRejected,
    SellerSuspended,
    ProductPending,
    ProductApproved,
    ProductRejected,
    *ABOUT_ACCOUNTS,
)
"""Events that notify the owner of an account."""


def account_notifications(event: Event) -> list[NotificationDraft]:
    """Return the notifications about an event, for the buyer and the seller concerned."""
    match event:
        case OrderCreated():
            return _order_drafts(event)
        case OrderRefunded():
            return _refund_drafts(event)
        case PaymentRefunded(reason=Reason.REFUNDED_LATE) | SessionCancelled(reason=Reason.REPLACED):
            # Each order of the payment has an event of its own; the buyer continues in the newer checkout.
            return []
        case PaymentFailed() | PaymentGivenUp() | PaymentRefunded() | SessionCancelled() | SessionExpired():
            return [_payment_draft(event)]
        case SellerApproved() | SellerRejected() | SellerSuspended():
            return [_shop_draft(event)]
        case ProductPending() | ProductApproved() | ProductRejected():
            return [_product_draft(event)]
        case _:
            return about_account(event)


def _order_drafts(event: OrderCreated) -> list[NotificationDraft]:
    return [
        _order_draft(
            event,
            event.buyer_id,
            "order-placed",
            f"Your order {event.number}",
            f"Thank you! We have received your payment for order {order_summary(event)}. Follow the order on its page.",
        ),
        _order_draft(
            event,
            event.seller_id,
            "order-received",
            f"New order {event.number}",
            f"A buyer placed and paid for order {order_summary(event)}. Open it to see what to ship.",
        ),
    ]


def _refund_drafts(event: OrderRefunded) -> list[NotificationDraft]:
    amount, reason = format_money(event.total), as_sentence(reason_text(event.reason))
    return [
        _order_draft(
            event,
            event.buyer_id,
            "order-refunded",
            f"Your order {event.number} was refunded",
            f"{amount} refunded: {reason} We have asked the seller not to ship the order. Your bank may take a few days"
            " to show the refund. You do not need to do anything.",
        ),
        _order_draft(
            event,
            event.seller_id,
            "order-refunded",
            f"Do not ship order {event.number}",
            f"Order {event.number} ({amount}) was refunded: {reason} Do not ship it. Its items are not back in stock,"
            " because they may be on their way. If you still have them, add them to the stock of your products.",
        ),
    ]


def _order_draft(
    event: OrderCreated | OrderRefunded, account_id: UUID, kind: str, title: str, message: str
) -> NotificationDraft:
    return NotificationDraft(
        account_id=account_id,
        kind=kind,
        about=_session(event.session_id),
        reports_state=False,
        title=title,
        message=message,
        link=f"/order/{event.order_id}",
    )


def _payment_draft(
    event: PaymentFailed | PaymentGivenUp | PaymentRefunded | SessionCancelled | SessionExpired,
) -> NotificationDraft:
    match event:
        case PaymentFailed():
            kind, title = "payment-failed", "Your payment failed"
            message = (
                f"{as_sentence(reason_text(event.reason))} You have not been charged, and your basket is unchanged."
                " Open your basket to try again or to use another card."
            )
        case PaymentGivenUp():
            kind, title = "payment-given-up", "Your refund takes longer than usual"
            message = (
                f"{as_sentence(reason_text(event.reason))} We have received your payment of"
                f" {format_money(event.total)} and are refunding it by hand. You do not need to do anything."
            )
        case PaymentRefunded():
            kind, title = "payment-refunded", "Your payment was refunded"
            message = (
                f"{format_money(event.total)} refunded: {as_sentence(reason_text(event.reason))} Your bank may take a"
                " few days to show the refund. You do not need to do anything."
            )
        case SessionCancelled():
            kind, title = "session-cancelled", "Your checkout was cancelled"
            message = (
                "You have not been charged. The items are no longer reserved. Open your basket to check out again."
            )
        case _:  # SessionExpired
            kind, title = "session-expired", "Your checkout has expired"
            message = (
                "You have not been charged. The items are no longer reserved. Open your basket to check out again."
            )
    return NotificationDraft(
        account_id=event.buyer_id,
        kind=kind,
        about=_session(event.session_id),
        reports_state=not isinstance(event, PaymentRefunded),
        title=title,
        message=message,
        link=f"/session/{event.session_id}",
        by_email=not isinstance(event, SessionCancelled | SessionExpired),
    )


def _shop_draft(event: SellerApproved | SellerRejected | SellerSuspended) -> NotificationDraft:
    name = quoted(event.shop_name)
    match event:
        case SellerApproved():
            kind, title = "shop-approved", "Your shop is open"
            message = f"{name} is approved. Buyers can find and buy its approved products. Add products at any time."
        case SellerRejected():
            kind, title = "shop-rejected", "Your shop was not approved"
            message = f"{name} cannot sell. Reason: {as_sentence(event.reason)} Change what is needed, and apply again."
        case _:  # SellerSuspended
            kind, title = "shop-suspended", "Your shop is suspended"
            message = f"{name} cannot sell for now. Reason: {as_sentence(event.reason)} You can still open its orders."
    return NotificationDraft(
        account_id=event.user_id,
        kind=kind,
        about=f"shop:{event.shop_id}",
        reports_state=True,
        title=title,
        message=message,
        link="/sell",
    )


def _product_draft(event: ProductPending | ProductApproved | ProductRejected) -> NotificationDraft:
    name, link = quoted(event.title), f"/sell/product/{event.product_id}"
    match event:
        case ProductPending():
            kind, title = "product-pending", "Your product is under review"
            message = f"We review {name} before it goes on sale and will let you know. You do not need to do anything."
        case ProductApproved():
            kind, title, link = "product-approved", "Your product is approved", f"/product/{event.product_id}"
            message = f"{name} is approved. It is on sale now, or once your shop is approved."
        case _:  # ProductRejected
            kind, title = "product-rejected", "Your product was not approved"
            reason = f"Reason: {as_sentence(event.reason)}" if event.by else single_line(findings_text(event.findings))
            message = f"{name} cannot be sold as it is. {reason} Change its text to have it reviewed again."
    return NotificationDraft(
        account_id=event.seller_id,
        kind=kind,
        about=f"product:{event.product_id}",
        reports_state=True,
        title=title,
        message=message,
        link=link,
        by_email=not isinstance(event, ProductPending),
    )


def _session(session_id: UUID) -> str:
    return f"payment-session:{session_id}"

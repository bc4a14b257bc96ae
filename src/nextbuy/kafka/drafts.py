"""What an event means to people: to the admins, and to the buyer or seller whom it concerns, in words.

A notice says what happened, why, and what to do; of other people it says nothing. `link` is a page of ours, for admins
an address of the API.
"""

import unicodedata
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderCreated, PaymentFailed, PaymentRefunded, SessionExpired, reason_text
from nextbuy.contracts.product import ProductApproved, ProductPending, ProductRejected
from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended
from nextbuy.contracts.values import Money

FOR_ADMINS: Final[tuple[type[Event], ...]] = (
    ProductPending,
    ProductRejected,
    SellerRegistered,
    OrderCreated,
    PaymentRefunded,
)
FOR_ACCOUNTS: Final[tuple[type[Event], ...]] = (
    OrderCreated,
    PaymentFailed,
    PaymentRefunded,
    SessionExpired,
    SellerApproved,
    SellerRejected,
    SellerSuspended,
    ProductPending,
    ProductApproved,
    ProductRejected,
)
_BODY: Final = """\
Hello,

{message}

See it here: {page}

All that you were told: {all}

This mail was sent automatically because it concerns your account. Replies are not read.
"""
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LONGEST: Final = 500


class NotificationDraft(Struct, frozen=True, kw_only=True):
    """What one account is told; `mailed` where it is important enough for a mail."""

    account_id: UUID
    kind: str
    title: str
    message: str
    link: str
    mailed: bool = True


class EmailText(Struct, frozen=True):
    """A notice as a mail."""

    subject: str
    body: str


def plain(text: str, *, most: int = _LONGEST) -> str:
    """Return a text of others in one line of at most `most` letters, without anything that could begin another."""
    line = " ".join("".join(" " if unicodedata.category(mark) in _UNSEEN else mark for mark in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def admin_notice(event: Event, event_id: UUID) -> CreateNotification | None:
    """Return what the admins are to be told of an event, or None where they need not know."""
    match event:
        case ProductPending():
            kind, title = "product-pending", "A product waits for approval"
            why = f" ({', '.join(event.rules)})" if event.rules else ""
            message = f"“{event.title}” scored {event.score} of 100{why}."
            link = "/admin/api/get-pending-products"
        case ProductRejected(by=None):
            kind, title = "product-rejected", "Moderation refused a product"
            message = f"“{event.title}”: {_findings(event)}."
            link = f"/product/api/get-product/{event.product_id}"
        case SellerRegistered():
            kind, title = "seller-registered", "A seller waits for approval"
            message, link = f"The shop “{event.shop_name}” was opened.", "/admin/api/get-pending-sellers"
        case OrderCreated():
            kind, title = "order-created", "A new order"
            message = f"Order {_order(event)}."
            link = f"/order/api/order-details/{event.order_id}"
        case PaymentRefunded():
            kind, title = "payment-refunded", "A payment was refunded"
            message, link = f"{_written(event.total)} went back: {reason_text(event.reason)}", ""
        case _:
            return None
    return CreateNotification(source_event_id=event_id, kind=kind, title=title, message=message, link=link)


def account_notices(event: Event) -> list[NotificationDraft]:
    """Return what the buyer and the seller whom an event concerns are to be told."""
    match event:
        case OrderCreated():
            return _of_order(event)
        case PaymentFailed() | PaymentRefunded() | SessionExpired():
            return [_of_payment(event)]
        case SellerApproved() | SellerRejected() | SellerSuspended():
            return [_of_shop(event)]
        case ProductPending() | ProductApproved() | ProductRejected():
            return [_of_product(event)]
        case _:
            return []


def _of_order(event: OrderCreated) -> list[NotificationDraft]:
    link = f"/order/{event.order_id}"
    told = [
        NotificationDraft(
            account_id=event.buyer_id,
            kind="order-placed",
            title=f"Your order {event.number}",
            message=f"Thank you! Your payment has come, and the shop has your order {_order(event)}.",
            link=link,
        )
    ]
    if event.seller_id is not None:
        told.append(
            NotificationDraft(
                account_id=event.seller_id,
                kind="order-received",
                title=f"A new order: {event.number}",
                message=f"Somebody has bought from your shop and paid: order {_order(event)}.",
                link=link,
            )
        )
    return told


def _of_payment(event: PaymentFailed | PaymentRefunded | SessionExpired) -> NotificationDraft:
    def told(kind: str, title: str, message: str, *, mailed: bool = True) -> NotificationDraft:
        link = f"/session/{event.session_id}"
        return NotificationDraft(
            account_id=event.buyer_id, kind=kind, title=title, message=message, link=link, mailed=mailed
        )

    match event:
        case PaymentFailed():
            return told(
                "payment-failed",
                "Your payment did not go through",
                f"The payment provider says: {_sentence(reason_text(event.reason))} No money was taken, and your"
                " basket is as it was. Try again, perhaps with another card.",
            )
        case PaymentRefunded():
            return told(
                "payment-refunded",
                "Your payment was refunded",
                f"You get {_written(event.total)} back: {_sentence(reason_text(event.reason))} Your bank may take some"
                " days to show it; there is nothing for you to do.",
            )
        case SessionExpired():
            return told(
                "session-expired",
                "The time to pay is over",
                "No money was taken. What was held for you can be bought again; your basket is as it was.",
                mailed=False,
            )


def _of_shop(event: SellerApproved | SellerRejected | SellerSuspended) -> NotificationDraft:
    def told(kind: str, title: str, message: str) -> NotificationDraft:
        return NotificationDraft(account_id=event.user_id, kind=kind, title=title, message=message, link="/sell")

    name = f"“{plain(event.shop_name)}”"
    match event:
        case SellerApproved():
            return told(
                "shop-approved", "Your shop is open", f"{name} is approved. Buyers can see and buy what you offer."
            )
        case SellerRejected():
            return told(
                "shop-rejected",
                "Your shop was not approved",
                f"{name} cannot sell. The admin says: {_sentence(event.reason)}",
            )
        case SellerSuspended():
            return told(
                "shop-suspended",
                "Your shop is suspended",
                f"Nobody can buy from {name} now. The admin says: {_sentence(event.reason)}",
            )


def _of_product(event: ProductPending | ProductApproved | ProductRejected) -> NotificationDraft:
    def told(kind: str, title: str, message: str, *, link: str = "/sell", mailed: bool = True) -> NotificationDraft:
        return NotificationDraft(
            account_id=event.seller_id, kind=kind, title=title, message=message, link=link, mailed=mailed
        )

    name = f"“{plain(event.title)}”"
    match event:
        case ProductPending():
            return told(
                "product-pending",
                "Your product waits for review",
                f"Somebody looks at {name} before buyers see it. You are told as soon as it is decided.",
                mailed=False,
            )
        case ProductApproved():
            return told(
                "product-approved",
                "Your product is for sale",
                f"{name} is approved, and buyers can find it.",
                link=f"/product/{event.product_id}",
            )
        case ProductRejected():
            who = "Moderation found" if event.by is None else "The admin says"
            return told(
                "product-rejected",
                "Your product was refused",
                f"{name} cannot be sold as it is. {who}: {_sentence(event.reason or _findings(event))} Change it, and"
                " it is looked at again.",
            )


def _order(event: OrderCreated) -> str:
    units = sum(line.quantity for line in event.lines)
    return f"{event.number}: {units} unit{'' if units == 1 else 's'}, {_written(event.total)}"


def _written(money: Money) -> str:
    return f"{money.amount / 100:,.2f} {money.currency}"


def _findings(event: ProductRejected) -> str:
    return plain("; ".join(f"{found.rule} in {found.field}: {found.excerpt}" for found in event.findings))


def _sentence(text: str) -> str:
    line = plain(text)
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def letter_of(notice: NotificationDraft, public_url: str) -> EmailText:
    """Return the mail that says the same as a notice; `public_url` is how the outside sees the gateway."""
    return EmailText(
        plain(f"{notice.title} · NextBuy"),
        _BODY.format(message=notice.message, page=f"{public_url}{notice.link}", all=f"{public_url}/notifications"),
    )

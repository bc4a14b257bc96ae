"""Texts of notifications and e-mails of buyers and sellers."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.auth import (
    AccountRegistered,
    EmailChanged,
    EmailChangeRequested,
    EmailConfirmationRequested,
    LoginsSlowed,
    PasswordChanged,
    PasswordResetRequested,
)
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import (
    OrderCreated,
    OrderRefunded,
    PaymentFailed,
    PaymentGivenUp,
    PaymentRefunded,
    Reason,
    SessionCancelled,
    SessionExpired,
)
from nextbuy.contracts.product import Finding, PricedLine, ProductApproved, ProductPending, ProductRejected
from nextbuy.contracts.seller import SellerApproved, SellerRejected, SellerSuspended
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.notification.drafts import ACCOUNT_EVENTS, account_notifications
from nextbuy.notification.mail_text import email_for
from nextbuy.product import moderation
from tests.inbound import SHOP
from tests.web.page_paths import is_page

BUYER, SELLER, PRODUCT, SESSION = new_id(), new_id(), new_id(), new_id()


def order_created() -> OrderCreated:
    return OrderCreated(
        order_id=new_id(),
        number="NB-7K2-1",
        session_id=SESSION,
        buyer_id=BUYER,
        shop_id=SHOP,
        total=Money(5_600),
        lines=[PricedLine(PRODUCT, SHOP, "Speckled bowl", 2, Money(2_800))],
        seller_id=SELLER,
    )


def order_refunded() -> OrderRefunded:
    return OrderRefunded(
        order_id=new_id(),
        number="NB-7K2-1",
        session_id=SESSION,
        buyer_id=BUYER,
        shop_id=SHOP,
        seller_id=SELLER,
        total=Money(5_600),
        reason=Reason.REFUNDED_LATE,
    )


def payment_refunded() -> PaymentRefunded:
    return PaymentRefunded(
        session_id=SESSION, buyer_id=BUYER, payment_id="pay_1", total=Money(1_050), reason="sold-out"
    )


def shop_event(kind: type[Any], reason: str = "No pictures") -> Event:
    fields: dict[str, Any] = {
        "shop_id": SHOP,
        "user_id": SELLER,
        "shop_name": "Kiln",
        "status": "pending",
        "shop_version": 1,
    }
    event: Event = kind(**fields) if kind is SellerApproved else kind(**fields, reason=reason)
    return event


def product_event(kind: type[Any], **more: object) -> Event:
    fields: dict[str, Any] = {
        "product_id": PRODUCT,
        "shop_id": SHOP,
        "seller_id": SELLER,
        "title": "Blue bowl",
        "status": "pending",
    }
    event: Event = kind(**(fields | more))
    return event


def registered(link_id: UUID | None = None) -> AccountRegistered:
    return AccountRegistered(account_id=BUYER, role=Role.BUYER, link_id=link_id)


def change_requested() -> EmailChangeRequested:
    return EmailChangeRequested(account_id=BUYER, old_link_id=new_id(), new_link_id=new_id())


def reset_requested() -> PasswordResetRequested:
    return PasswordResetRequested(account_id=BUYER, link_id=new_id())


NOTIFIED: dict[str, tuple[Event, UUID, str]] = {
    "payment-failed": (
        PaymentFailed(session_id=SESSION, buyer_id=BUYER, reason="card expired"),
        BUYER,
        "Card expired. You have not been charged",
    ),
    "payment-given-up": (
        PaymentGivenUp(
            session_id=SESSION,
            buyer_id=BUYER,
            payment_id="pay_1",
            total=Money(1_050),
            reason=Reason.NOT_COMPLETED,
            note="The provider refuses.",
        ),
        BUYER,
        "The order could not be completed. We have received your payment of $10.50 and are refunding it by hand.",
    ),
    "payment-refunded": (
        payment_refunded(),
        BUYER,
        "$10.50 refunded: The products are sold out.",
    ),
    "session-expired": (SessionExpired(session_id=SESSION, buyer_id=BUYER), BUYER, "You have not been charged."),
    "session-cancelled": (
        SessionCancelled(session_id=SESSION, buyer_id=BUYER, reason=Reason.CANCELLED),
        BUYER,
        "The items are no longer reserved.",
    ),
    "shop-approved": (shop_event(SellerApproved), SELLER, "“Kiln” is approved"),
    "shop-rejected": (shop_event(SellerRejected), SELLER, "Reason: No pictures."),
    "shop-suspended": (shop_event(SellerSuspended), SELLER, "Reason: No pictures."),
    "product-pending": (product_event(ProductPending, score=80, rules=[]), SELLER, "“Blue bowl”"),
    "product-approved": (product_event(ProductApproved, by=new_id()), SELLER, "“Blue bowl” is approved"),
    "product-rejected": (
        product_event(ProductRejected, by=new_id(), reason="Blurred!", findings=[]),
        SELLER,
        "Reason: Blurred!",
    ),
    "logins-slowed": (LoginsSlowed(account_id=BUYER), BUYER, "wrong passwords were entered"),
    "confirm-email": (
        EmailConfirmationRequested(account_id=BUYER, link_id=new_id()),
        BUYER,
        "Please confirm that this e-mail address is yours",
    ),
    "email-changed": (EmailChanged(account_id=BUYER), BUYER, "Sign in with the new e-mail address"),
    "password-reset": (
        reset_requested(),
        BUYER,
        "It is valid for 30 minutes, and works once.",
    ),
    "password-changed": (PasswordChanged(account_id=BUYER, how="reset"), BUYER, "All devices were signed out."),
}


@pytest.mark.parametrize("kind", NOTIFIED)
def test_account_is_notified_of_the_event_and_its_reason(kind: str) -> None:
    event, account_id, words = NOTIFIED[kind]

    [draft] = account_notifications(event)

    assert (draft.kind, draft.account_id) == (kind, account_id)
    assert words in draft.message


def test_registration_asks_to_confirm_the_address_unless_an_operator_vouches_for_it() -> None:
    [draft] = account_notifications(registered(new_id()))

    assert (draft.kind, draft.account_id) == ("confirm-email", BUYER)
    assert account_notifications(registered()) == []


def test_change_of_an_address_sends_a_link_to_the_old_and_to_the_new_one() -> None:
    event = change_requested()

    drafts = account_notifications(event)

    links = [(draft.kind, draft.mail_link.id) for draft in drafts if draft.mail_link]
    assert links == [("change-email-old", event.old_link_id), ("change-email-new", event.new_link_id)]


def test_order_notifies_its_buyer_and_its_seller() -> None:
    event = order_created()

    buyers, sellers = account_notifications(event)

    assert (buyers.kind, buyers.account_id) == ("order-placed", BUYER)
    assert (sellers.kind, sellers.account_id) == ("order-received", SELLER)
    assert buyers.link == sellers.link == f"/order/{event.order_id}"
    assert "NB-7K2-1: 2 items, $56.00" in sellers.message


def test_refunded_order_notifies_its_buyer_and_tells_its_seller_not_to_ship() -> None:
    event = order_refunded()

    buyers, sellers = account_notifications(event)

    assert (buyers.kind, buyers.account_id) == ("order-refunded", BUYER)
    assert (sellers.kind, sellers.account_id) == ("order-refunded", SELLER)
    assert (buyers.title, sellers.title) == ("Your order NB-7K2-1 was refunded", "Do not ship order NB-7K2-1")
    assert "$56.00 refunded: The payment provider refunded the payment after the order was placed." in buyers.message
    assert "Do not ship it." in sellers.message
    assert buyers.link == sellers.link == f"/order/{event.order_id}"
    assert {buyers.reports_state, sellers.reports_state} == {False}
    assert account_notifications(msgspec.structs.replace(payment_refunded(), reason=Reason.REFUNDED_LATE)) == []


def test_every_link_is_a_page() -> None:
    events = [order_created(), order_refunded(), *(event for event, _, _ in NOTIFIED.values())]

    links = [draft.link for event in events for draft in account_notifications(event)]

    assert len(links) == len(NOTIFIED) + 4
    assert [link for link in links if not is_page(link)] == []


def test_rejection_by_moderation_notifies_seller_with_findings() -> None:
    findings = [
        Finding("banned-word", -80, "title", "A pirated bowl", "pirated"),
        Finding("incomplete-title", -10, "title", "Bowl"),
    ]
    rejected = product_event(ProductRejected, by=None, reason="", findings=findings)

    [draft] = account_notifications(rejected)

    words = "A word in the title is not allowed: “pirated”. The title is too short."
    assert words in draft.message
    assert draft.link == f"/sell/product/{PRODUCT}"


def test_every_finding_of_moderation_has_a_sentence() -> None:
    findings = [
        finding
        for listing in (("Gun", "Short.", "electronics"), ("Old wine", "A bottle from a cellar.", "home"))
        for finding in moderation.review(*listing, []).reasons
        if finding.points < 0
    ]
    rejected = product_event(ProductRejected, by=None, reason="", findings=findings)

    [draft] = account_notifications(rejected)

    assert {"banned-word", "restricted-word", "sensitive-category", "incomplete-title", "incomplete-description"} == {
        finding.rule for finding in findings
    }
    assert not [finding.rule for finding in findings if finding.rule in draft.message]


def test_every_event_of_the_lists_has_a_notification() -> None:
    """An event that is added to a list but not to the texts would notify no account."""
    events = [
        order_created(),
        order_refunded(),
        registered(),
        change_requested(),
        *(event for event, _, _ in NOTIFIED.values()),
    ]

    assert {type(event) for event in events} == set(ACCOUNT_EVENTS)


def test_email_contains_message_and_link() -> None:
    draft = account_notifications(order_created())[1]

    email = email_for(draft, "https://shop.example", Marketplace())

    assert email.subject == "New order NB-7K2-1 · NextBuy"
    assert draft.message in email.body
    assert f": https://shop.example{draft.link}\n" in email.body
    assert str(BUYER) not in email.body


def test_email_names_the_marketplace_and_its_contact() -> None:
    marketplace = Marketplace(name="Kiln & Co", contact="help@kiln.example")

    email = email_for(account_notifications(order_created())[1], "https://shop.example", marketplace)

    assert email.subject == "New order NB-7K2-1 · Kiln & Co"
    assert "your account at Kiln & Co. Please do not reply; replies are not read. If you need help" in email.body
    assert "your account at Kiln &amp; Co." in email.html
    assert "write to help@kiln.example." in email.html


def test_text_and_html_of_a_mail_have_the_same_words_and_links() -> None:
    [draft] = account_notifications(reset_requested())

    email = email_for(draft, "https://shop.example", Marketplace())

    words = [draft.message, "Set a new password", "https://shop.example/reset-password?token=[hidden]", "are not read."]
    assert [one for one in words if one not in email.body or one not in email.html] == []
    assert "<" not in email.body


def test_markup_in_a_title_is_text_in_both_forms_of_a_mail() -> None:
    evil = "<script>alert(1)</script>&amp;"

    [draft] = account_notifications(product_event(ProductApproved, title=evil, by=new_id()))
    email = email_for(draft, "https://shop.example", Marketplace())

    assert evil in email.body
    assert "<script" not in email.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in email.html


def test_title_cannot_start_a_line_or_a_header() -> None:
    evil = "Bowl\r\nBcc: all@victims.test\u2028Subject: free"

    [draft] = account_notifications(product_event(ProductApproved, title=evil, by=new_id()))

    assert "“Bowl Bcc: all@victims.test Subject: free”" in draft.message
    assert len(draft.message.splitlines()) == 1

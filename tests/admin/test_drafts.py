"""Texts of the notifications of admins."""

from datetime import UTC, datetime
from typing import Any

import pytest

from nextbuy.admin.drafts import ADMIN_EVENTS, NotificationDraft, draft_of
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderPaid, PaymentRefunded, RefundReported, UnmatchedRefundReported
from nextbuy.contracts.product import Finding, ProductPending, ProductRejected
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import Money, new_id
from tests.inbound import SHOP, inbound, order
from tests.web.page_paths import is_page

PRODUCT = new_id()


def product_event(kind: type[Any], **more: object) -> Event:
    fields = {"product_id": PRODUCT, "shop_id": SHOP, "seller_id": new_id(), "title": "Blue bowl", "status": "pending"}
    event: Event = kind(**(fields | more))
    return event


NOTIFIED: dict[str, tuple[Event, str]] = {
    "order-created": (
        order(units=3, amount=150_050),
        "A buyer placed and paid for order NB-1: 3 items, $4,501.50. No action is needed.",
    ),
    "payment-refunded": (
        PaymentRefunded(
            session_id=new_id(), buyer_id=new_id(), payment_id="pay_1", total=Money(1_050), reason="sold-out"
        ),
        "Payment pay_1 ($10.50) was refunded: The products are sold out. No action is needed.",
    ),
    "refund-reported": (
        RefundReported(session_id=new_id(), buyer_id=new_id(), payment_id="pay_1", total=Money(1)),
        (
            "The payment provider refunded $0.01 of payment pay_1. This is not the full refund of a recorded payment, "
            "so its checkout and orders stay as they are. Check the payment at the provider."
        ),
    ),
    "product-pending": (
        product_event(ProductPending, title="Dynamo light", score=80, rules=["sensitive-category"]),
        "“Dynamo light” scored 80 of 100 in moderation: sensitive category. Approve or reject it.",
    ),
    "product-rejected": (
        product_event(
            ProductRejected,
            by=None,
            reason="",
            findings=[
                Finding("banned-word", -80, "title", "A pirated bowl", "pirated"),
                Finding("incomplete-title", -10, "title", "Bowl"),
            ],
        ),
        (
            "“Blue bowl” was rejected. A word in the title is not allowed: “pirated”. The title is too short. "
            "Its seller can change it."
        ),
    ),
    "seller-registered": (
        SellerRegistered(shop_id=SHOP, user_id=new_id(), shop_name="Kiln", status="pending", shop_version=1),
        "“Kiln” waits for approval and cannot sell yet. Approve or reject it.",
    ),
}


def draft(event: Event) -> NotificationDraft:
    found = draft_of(inbound(event))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", NOTIFIED)
def test_admins_are_notified_of_the_event_and_its_reason(kind: str) -> None:
    event, words = NOTIFIED[kind]

    found = draft(event)

    assert found.kind == kind
    assert found.message == words


def test_every_admin_event_has_a_notification() -> None:
    """An event that is added to the list but not to the texts would notify no admin."""
    assert {type(event) for event, _ in NOTIFIED.values()} | {UnmatchedRefundReported} == set(ADMIN_EVENTS)


def test_refund_of_a_payment_without_a_checkout_has_the_same_words() -> None:
    event = UnmatchedRefundReported(payment_id="pay_1", session_id=None, total=Money(1), reason="unmatched")

    assert draft(event).message == NOTIFIED["refund-reported"][1]


def test_every_link_is_a_page() -> None:
    links = {kind: draft(event).link for kind, (event, _) in NOTIFIED.items()}

    assert [link for link in links.values() if link and not is_page(link.partition("#")[0])] == []
    assert [kind for kind, link in links.items() if not link] == ["payment-refunded", "refund-reported"]


def test_links_lead_to_the_order_and_to_the_product() -> None:
    event = order()

    assert draft(event).link == f"/order/{event.order_id}"
    assert draft(NOTIFIED["product-rejected"][0]).link == f"/product/{PRODUCT}"


def test_notification_has_id_and_time_of_its_event() -> None:
    event = inbound(order(), at=datetime(2026, 11, 1, tzinfo=UTC))

    found = draft_of(event)

    assert found is not None
    assert (found.source_event_id, found.occurred_at) == (event.id, event.envelope.time)


def test_rejection_by_an_admin_does_not_notify_admins() -> None:
    rejected = product_event(ProductRejected, by=new_id(), reason="Blurred", findings=[])

    assert draft_of(inbound(rejected)) is None


def test_other_events_do_not_notify_admins() -> None:
    paid = OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=SHOP, total=Money(1))

    assert draft_of(inbound(paid)) is None


def test_title_cannot_start_a_line() -> None:
    evil = product_event(ProductPending, title="Bowl\r\nfree\u2028gold", score=1, rules=[])

    assert draft(evil).message == "“Bowl free gold” scored 1 of 100 in moderation. Approve or reject it."

"""What events mean to people, in words."""

import unicodedata
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderCreated, OrderPaid, PaymentFailed, PaymentRefunded, SessionExpired
from nextbuy.contracts.product import PricedLine, ProductApproved, ProductPending, ProductRejected, Reason
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended
from nextbuy.contracts.values import Money, new_id
from nextbuy.kafka.drafts import FOR_ACCOUNTS, FOR_ADMINS, account_notices, admin_notice, letter_of, plain
from nextbuy.web.app import PAGES, page_of
from tests.kafka.test_model import SHOP, order

BUYER, SELLER, PRODUCT, SESSION = new_id(), new_id(), new_id(), new_id()


def created(*, seller_id: UUID | None = SELLER) -> OrderCreated:
    return OrderCreated(
        order_id=new_id(),
        number="NB-7K2-1",
        session_id=SESSION,
        buyer_id=BUYER,
        shop_id=SHOP,
        total=Money(5_600),
        lines=[PricedLine(PRODUCT, SHOP, "Speckled bowl", 2, Money(2_800))],
        seller_id=seller_id,
    )


def shop(kind: type[Any], reason: str = "No pictures") -> Event:
    told: dict[str, Any] = {
        "shop_id": SHOP,
        "user_id": SELLER,
        "shop_name": "Kiln",
        "status": "pending",
        "shop_version": 1,
    }
    made: Event = kind(**told) if kind is SellerApproved else kind(**told, reason=reason)
    return made


def product(kind: type[Any], **more: object) -> Event:
    told: dict[str, Any] = {
        "product_id": PRODUCT,
        "shop_id": SHOP,
        "seller_id": SELLER,
        "title": "Blue bowl",
        "status": "pending",
    }
    made: Event = kind(**(told | more))
    return made


TOLD: dict[str, tuple[Event, UUID, str]] = {
    "payment-failed": (
        PaymentFailed(session_id=SESSION, buyer_id=BUYER, reason="card expired"),
        BUYER,
        "card expired.",
    ),
    "payment-refunded": (
        PaymentRefunded(session_id=SESSION, buyer_id=BUYER, total=Money(1_050), reason="sold-out"),
        BUYER,
        "10.50 USD back: The products are sold out.",
    ),
    "session-expired": (SessionExpired(session_id=SESSION, buyer_id=BUYER), BUYER, "No money was taken."),
    "shop-approved": (shop(SellerApproved), SELLER, "“Kiln” is approved"),
    "shop-rejected": (shop(SellerRejected), SELLER, "The admin says: No pictures."),
    "shop-suspended": (shop(SellerSuspended), SELLER, "The admin says: No pictures."),
    "product-pending": (product(ProductPending, score=80, rules=[]), SELLER, "“Blue bowl”"),
    "product-approved": (product(ProductApproved, by=new_id()), SELLER, "“Blue bowl” is approved"),
    "product-rejected": (
        product(ProductRejected, by=new_id(), reason="Blurred!", findings=[]),
        SELLER,
        "The admin says: Blurred!",
    ),
}


@pytest.mark.parametrize("kind", TOLD)
def test_whom_it_concerns_is_told_what_happened_and_why(kind: str) -> None:
    event, who, words = TOLD[kind]
    [notice] = account_notices(event)
    assert (notice.kind, notice.account_id) == (kind, who)
    assert words in notice.message


def test_an_order_is_told_to_its_buyer_and_to_its_seller() -> None:
    event = created()
    buyers, sellers = account_notices(event)
    assert (buyers.kind, buyers.account_id) == ("order-placed", BUYER)
    assert (sellers.kind, sellers.account_id) == ("order-received", SELLER)
    assert buyers.link == sellers.link == f"/order/{event.order_id}"
    assert "NB-7K2-1: 2 units, 56.00 USD" in sellers.message


def test_an_order_of_an_older_sender_is_told_to_its_buyer() -> None:
    assert [notice.account_id for notice in account_notices(created(seller_id=None))] == [BUYER]


def test_every_link_leads_to_a_page_that_is_there() -> None:
    events = [created(), *(event for event, _, _ in TOLD.values())]
    links = [notice.link for event in events for notice in account_notices(event)]
    assert len(links) == len(TOLD) + 2
    assert [link for link in links if page_of(link) not in PAGES] == []


def test_what_moderation_refused_is_told_to_the_seller_in_other_words_than_an_admins_refusal() -> None:
    refused = product(ProductRejected, by=None, reason="", findings=[Reason("banned-word", -80, "title", "replica")])
    [notice] = account_notices(refused)
    assert "Moderation found: banned-word in title: replica." in notice.message
    note = admin_notice(refused, new_id())
    assert note is not None
    assert (note.kind, note.link) == ("product-rejected", f"/product/api/get-product/{PRODUCT}")
    assert admin_notice(product(ProductRejected, by=new_id(), reason="Blurred", findings=[]), new_id()) is None


def test_who_is_listened_for_is_who_is_told() -> None:
    """A kind that is added to one list and not to the words would be heard and said to nobody."""
    events = [created(), *(event for event, _, _ in TOLD.values())]
    assert {type(event) for event in events} == set(FOR_ACCOUNTS)
    assert set(FOR_ADMINS) <= set(EVENTS)


def test_a_mail_says_what_the_notification_says_and_where_to_look() -> None:
    notice = account_notices(created())[1]
    letter = letter_of(notice, "https://shop.example")
    assert letter.subject == "A new order: NB-7K2-1 · NextBuy"
    assert notice.message in letter.body
    assert f": https://shop.example{notice.link}\n" in letter.body
    assert str(BUYER) not in letter.body


@given(st.text(max_size=80))
def test_a_text_of_others_is_one_line_whatever_it_holds(text: str) -> None:
    line = plain(text, most=50)
    assert len(line) <= 50
    assert len(line.splitlines()) <= 1
    assert not [mark for mark in line if unicodedata.category(mark) in {"Cc", "Cs", "Zl", "Zp"}]


def test_a_title_cannot_begin_a_line_or_a_header() -> None:
    evil = "Bowl\r\nBcc: all@victims.test\u2028Subject: free"
    [notice] = account_notices(product(ProductApproved, title=evil, by=new_id()))
    assert "“Bowl Bcc: all@victims.test Subject: free”" in notice.message
    assert len(notice.message.splitlines()) == 1


def test_a_new_order_is_told_with_its_number_and_its_money() -> None:
    event_id = new_id()
    note = admin_notice(order(units=3, amount=150_050), event_id)
    assert note is not None
    assert (note.kind, note.source_event_id) == ("order-created", event_id)
    assert note.message == "Order NB-1: 3 units, 4,501.50 USD."


def test_a_product_that_waits_is_told_with_why_it_waits() -> None:
    event = ProductPending(
        product_id=new_id(),
        shop_id=SHOP,
        seller_id=new_id(),
        title="Dynamo light",
        status="pending",
        score=80,
        rules=["sensitive-category"],
    )
    note = admin_notice(event, new_id())
    assert note is not None
    assert note.kind == "product-pending"
    assert note.message == "“Dynamo light” scored 80 of 100 (sensitive-category)."


def test_a_new_seller_is_told() -> None:
    event = SellerRegistered(shop_id=SHOP, user_id=new_id(), shop_name="Kiln", status="pending", shop_version=1)
    note = admin_notice(event, new_id())
    assert note is not None
    assert note.link == "/admin/api/get-pending-sellers"


def test_what_the_admins_need_not_know_is_not_told() -> None:
    paid = OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=SHOP, total=Money(1))
    assert admin_notice(paid, new_id()) is None

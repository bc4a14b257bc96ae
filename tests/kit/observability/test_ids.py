"""Ids are found in messages by the names of their fields, and a basket of any size stays within bounds."""

from datetime import UTC, datetime
from uuid import UUID

from nextbuy.contracts.auth import Account
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import HoldStock, Line, PricedLine
from nextbuy.contracts.simulator import OpenPayment
from nextbuy.contracts.values import Money, Page, Role, new_id
from nextbuy.kit.observability.ids import MAX_IDS, Ids, collect_ids, note_id, note_into, note_path
from nextbuy.kit.wire import Encoded

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ids_of(message: object) -> Ids:
    ids: Ids = {}
    collect_ids(ids, message)
    return ids


def test_call_names_its_session_and_each_product_once() -> None:
    session, mug, bowl = new_id(), new_id(), new_id()
    call = HoldStock(session_id=session, lines=[Line(mug, 1), Line(bowl, 2), Line(mug, 1)], expires_at=NOW)

    assert ids_of(call) == {"session": [session], "product": [mug, bowl]}


def test_large_basket_is_cut() -> None:
    call = HoldStock(session_id=new_id(), lines=[Line(new_id(), 1) for _ in range(50)], expires_at=NOW)

    assert len(ids_of(call)["product"]) == MAX_IDS


def test_reply_and_event_name_account_order_and_number() -> None:
    account = Account(new_id(), "ada@example.com", "Ada", Role.BUYER)
    order, session, shop, seller, mug = (new_id() for _ in range(5))
    event = OrderCreated(
        order_id=order,
        number="NB-1042",
        session_id=session,
        buyer_id=account.id,
        shop_id=shop,
        total=Money(100),
        lines=[PricedLine(mug, shop, "Mug", 1, Money(100))],
        seller_id=seller,
    )

    assert ids_of(account) == {"account": [account.id]}
    assert ids_of(event) == {
        "order": [order], "number": ["NB-1042"], "session": [session], "account": [account.id], "product": [mug]
    }  # fmt: skip


def test_payment_is_opened_for_a_session() -> None:
    session = new_id()
    call = OpenPayment(reference=session, amount=Money(100), description="2 items", expires_at=NOW)

    assert ids_of(call) == {"session": [session]}


def test_lists_of_other_things_and_encoded_replies_name_nothing() -> None:
    account = Account(new_id(), "ada@example.com", "Ada", Role.BUYER)

    assert ids_of(Page([account])) == ids_of(Encoded(b"{}")) == ids_of(None) == {}


def test_path_names_an_id_once_and_never_a_token() -> None:
    order = UUID("01a22377-0e8c-77b1-ac66-9084a6784c83")
    ids: Ids = {}

    with note_into(ids):
        note_path({"order_id": str(order), "session_id": "aB3-Misplaced_Token", "payment_id": "pay_1", "other": "x"})
        note_path({"shop_id": "5555555555554444", "product_id": "whsec_0123456789"})
        note_id("order", order)

    assert ids == {"order": [order], "payment": ["pay_1"]}

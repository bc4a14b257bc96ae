"""Operators find orders, payments, people, products and shops by ids, numbers, titles and e-mail addresses."""

from typing import Any
from uuid import UUID

import pytest

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import AccountRef
from nextbuy.admin.person import PersonNotFound, person
from nextbuy.admin.search import Found, Search, SearchResults, search
from nextbuy.admin.search_store import _SEARCH, KINDS, MAX_PER_KIND
from nextbuy.admin.service import SERVICE
from nextbuy.admin.update_search_index import update_search_index
from nextbuy.contracts.auth import Account, FindAccounts, FoundAccount, FoundAccounts
from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import (
    OrderRefunded,
    PaymentDeclined,
    PaymentFailed,
    PaymentRefunded,
    PaymentUnmatched,
    RefundDue,
    SessionCancelled,
    SessionCreated,
    SessionExpired,
    SessionOpened,
    SessionPaid,
)
from nextbuy.contracts.product import ProductUpdated
from nextbuy.contracts.seller import SellerApproved, SellerUpdated
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kit.clock import utc_now
from tests.callers import caller
from tests.doubles import StubCalls
from tests.inbound import Delivery, assert_fixed_lock_order, handle, inbound, order

BUYER, SESSION = new_id(), new_id()


@pytest.fixture(autouse=True)
def _nobody(calls: StubCalls) -> None:
    calls.replies[FindAccounts] = FoundAccounts([])


def created(session_id: UUID = SESSION) -> SessionCreated:
    return SessionCreated(session_id=session_id, buyer_id=BUYER, total=Money(1_999), lines=[], expires_at=utc_now())


def opened() -> SessionOpened:
    return SessionOpened(session_id=SESSION, buyer_id=BUYER, payment_id="pay_42", payment_url="http://x.test/pay_42")


def failed() -> PaymentFailed:
    return PaymentFailed(session_id=SESSION, buyer_id=BUYER, reason="declined")


def declined() -> PaymentDeclined:
    return PaymentDeclined(session_id=SESSION, buyer_id=BUYER, declines=1, reason="card_declined")


def titled(title: str, product_id: UUID, status: Any = "active") -> ProductUpdated:  # noqa: ANN401  a status
    return ProductUpdated(
        product_id=product_id, shop_id=new_id(), seller_id=new_id(), title=title, status=status, fields=["title"]
    )


def approved(shop_name: str) -> SellerApproved:
    return SellerApproved(
        shop_id=new_id(), user_id=new_id(), shop_name=shop_name, status="approved", shop_version=1, shop_slug="x"
    )


async def index(deps: Deps, *events: Event) -> None:
    await handle(update_search_index, deps, *map(inbound, events))


async def results(deps: Deps, operator: Account, text: str) -> SearchResults:
    return await search(deps, caller(operator), Search(text))


async def find(deps: Deps, operator: Account, text: str) -> list[Found]:
    return (await results(deps, operator, text)).items


async def test_order_is_found_by_beginning_of_its_number_and_by_its_ids(deps: Deps, operator: Account) -> None:
    event = order()
    await index(deps, event)

    for text in ("NB-", "nb-1", "NB-1", str(event.order_id), str(event.order_id).upper(), str(event.session_id)):
        [found] = await find(deps, operator, text)
        assert (found.kind, found.title, found.status) == ("order", "NB-1", "paid")
        assert found.link == f"/order/{event.order_id}"
    assert await find(deps, operator, "NB-2") == []


async def test_payment_shows_its_latest_state_in_whatever_order_events_arrive(deps: Deps, operator: Account) -> None:
    first, second, third = inbound(created()), inbound(opened()), inbound(failed())
    await handle(update_search_index, deps, third)
    await handle(update_search_index, deps, second, first)

    for text in (str(SESSION), "pay_42", "PAY_"):
        [found] = await find(deps, operator, text)
        assert (found.kind, found.id, found.title) == ("payment", str(SESSION), "$19.99")
        assert (found.status, found.detail) == ("failed", "declined")
        assert found.link == f"/trace?id={SESSION}"


async def test_declined_card_explains_a_payment_until_another_card_pays_it(deps: Deps, operator: Account) -> None:
    ids: dict[str, Any] = {"session_id": SESSION, "buyer_id": BUYER}
    await index(deps, created(), opened(), declined())

    async def shown() -> tuple[str, str]:
        [found] = await find(deps, operator, "pay_42")
        return found.status, found.detail

    assert await shown() == ("open", "card_declined")
    await index(deps, SessionExpired(**ids))
    assert await shown() == ("expired", "card_declined")
    await index(deps, SessionPaid(**ids, total=Money(1_999), order_ids=[new_id()]))
    assert await shown() == ("paid", "")


async def test_cancelled_checkout_is_shown_with_its_reason(deps: Deps, operator: Account) -> None:
    first, second = inbound(opened()), inbound(SessionCancelled(session_id=SESSION, buyer_id=BUYER, reason="replaced"))
    await handle(update_search_index, deps, second)
    await handle(update_search_index, deps, first)

    [found] = await find(deps, operator, "pay_42")
    assert (found.status, found.detail) == ("cancelled", "replaced")


async def test_second_payment_of_checkout_is_an_entry_of_its_own(deps: Deps, operator: Account) -> None:
    paid = order()
    ids: dict[str, Any] = {"session_id": SESSION, "buyer_id": BUYER, "payment_id": "pay_2", "total": Money(500)}
    await index(deps, created(), opened(), paid, RefundDue(**ids, reason="unmatched"))
    await index(deps, PaymentRefunded(**ids, reason="unmatched"))
    await index(deps, PaymentUnmatched(payment_id="pay_3", total=Money(7), session_id=None, reason="unmatched"))

    [own] = await find(deps, operator, "pay_42")
    [second] = await find(deps, operator, "pay_2")
    [unknown] = await find(deps, operator, "pay_3")
    assert [own.status, second.status, unknown.status] == ["open", "refunded", "refund-due"]
    assert second.link == "/trace?id=pay_2"


async def test_shop_is_found_by_its_new_name_only(deps: Deps, operator: Account) -> None:
    opened_shop = approved("Kiln & Clay")
    renamed = SellerUpdated(
        shop_id=opened_shop.shop_id,
        user_id=opened_shop.user_id,
        shop_name="Stoneware",
        status="approved",
        shop_version=2,
        shop_slug="x",
    )
    await index(deps, opened_shop)

    await index(deps, renamed)

    [found] = await find(deps, operator, "stoneware")
    assert (found.kind, found.title, found.status) == ("shop", "Stoneware", "approved")
    assert await find(deps, operator, "kiln") == []


async def test_title_is_found_from_each_word_and_no_longer_after_a_change(deps: Deps, operator: Account) -> None:
    board = new_id()
    old, new = inbound(titled("Oak chopping (large) board", board)), inbound(titled("Beech  Board", board, "pending"))
    await handle(update_search_index, deps, old)
    for text in ("oak", "Chopping", "large) b", "chopping (large) board"):
        assert [found.title for found in await find(deps, operator, text)] == ["Oak chopping (large) board"]

    await handle(update_search_index, deps, new)
    await handle(update_search_index, deps, old)

    assert await find(deps, operator, "oak") == []
    [found] = await find(deps, operator, "beech board")
    assert (found.kind, found.status, found.link) == ("product", "pending", f"/product/{board}")


async def test_shop_is_found_by_name(deps: Deps, operator: Account) -> None:
    await index(deps, approved("Kiln & Clay"))

    assert [(found.kind, found.title) for found in await find(deps, operator, "clay")] == [("shop", "Kiln & Clay")]


async def test_people_are_found_through_auth_and_stored_nowhere(
    deps: Deps, operator: Account, calls: StubCalls
) -> None:
    ada = FoundAccount(new_id(), "ada@example.com", "Ada Winter", Role.BUYER, suspended=True)
    calls.replies[FindAccounts] = lambda call: FoundAccounts([ada] if call.text == "ada@e" else [])

    [found] = await find(deps, operator, " ada@e ")

    assert (found.kind, found.title, found.detail, found.status) == ("person", ada.name, ada.email, "suspended")
    assert found.link == f"/admin/person/{ada.id}"
    for table in ("search_entries", "search_terms"):
        assert await deps.database.fetch(f"SELECT FROM {table} AS t WHERE t::text LIKE '%ada%'") == []


async def test_search_without_auth_says_that_people_are_missing(
    deps: Deps, operator: Account, calls: StubCalls
) -> None:
    await index(deps, order())
    calls.replies[FindAccounts] = Unavailable()

    found = await results(deps, operator, "NB-1")

    assert ([one.kind for one in found.items], found.incomplete) == (["order"], True)


async def test_id_of_nothing_indexed_leads_to_its_trace(deps: Deps, operator: Account) -> None:
    for text in ("0af7651916cd43dd8448eb211c80319c", str(new_id())):
        [found] = await find(deps, operator, text)
        assert (found.kind, found.link) == ("request", f"/trace?id={text}")
    assert await find(deps, operator, "nothing like this") == []


async def test_results_of_each_kind_are_bounded_and_read_from_index(deps: Deps, operator: Account) -> None:
    await index(deps, *(titled("Oak board", new_id()) for _ in range(MAX_PER_KIND + 5)), approved("Oak & Co"))

    kinds = [found.kind for found in await find(deps, operator, "oak")]
    async with deps.database.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN {_SEARCH}", list(KINDS), "oak", MAX_PER_KIND))

    assert kinds == ["product"] * MAX_PER_KIND + ["shop"]
    assert "search_terms_pkey" in plan
    assert "Seq Scan" not in plan


async def test_person_lists_own_orders_and_payments_newest_first(
    deps: Deps, operator: Account, calls: StubCalls
) -> None:
    mine = order()
    refunded = OrderRefunded(
        **{name: getattr(mine, name) for name in ("order_id", "number", "session_id", "buyer_id", "shop_id", "total")},
        seller_id=mine.seller_id,
        reason="order-refunded",
    )
    later = SessionCreated(session_id=new_id(), buyer_id=mine.buyer_id, total=Money(5), lines=[], expires_at=utc_now())
    await index(deps, created(), order(), mine, refunded, later)
    ada = FoundAccount(mine.buyer_id, "ada@example.com", "Ada Winter", Role.BUYER)
    calls.replies[FindAccounts] = lambda call: FoundAccounts([ada] if call.text == str(ada.id) else [])

    details = await person(deps, caller(operator), AccountRef(ada.id))

    assert details.person == ada
    assert [(one.id, one.status, one.reason) for one in details.orders] == [
        (str(mine.order_id), "refunded", "order-refunded")
    ]
    assert [(one.id, one.status) for one in details.payments] == [(str(later.session_id), "opening")]
    assert details.shop is None
    with pytest.raises(PersonNotFound):
        await person(deps, caller(operator), AccountRef(new_id()))


async def test_events_from_before_the_index_are_delivered_and_count_once(deps: Deps, operator: Account) -> None:
    delivery = Delivery(SERVICE, deps, deps.database)
    event = inbound(order())

    await delivery(event)
    await delivery(event)

    assert len(await find(deps, operator, "NB-1")) == 1
    [subscription] = [one for one in SERVICE.subscriptions if one.name == "update-search-index"]
    assert subscription.from_start


async def test_batch_indexes_with_a_fixed_number_of_statements_in_fixed_lock_order(deps: Deps) -> None:
    events = [inbound(titled(f"Board {n}", new_id())) for n in range(5)]
    assert await handle(update_search_index, deps, *events) == await handle(update_search_index, deps, events[0])

    first, last = sorted(events, key=lambda event: str(event.event.product_id))[:: len(events) - 1]  # type: ignore[attr-defined]
    await assert_fixed_lock_order(update_search_index, deps, first, last)

"""Decisions of admins are sent to the service that owns the data, with the admin's id."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from nextbuy.admin.approve_product import approve_product
from nextbuy.admin.approve_seller import approve_seller
from nextbuy.admin.deps import Deps
from nextbuy.admin.get_pending_products import get_pending_products
from nextbuy.admin.get_pending_sellers import get_pending_sellers
from nextbuy.admin.model import AccountDecision, AccountRef, ProductDecision, ProductRef
from nextbuy.admin.reinstate_account import reinstate_account
from nextbuy.admin.reject_product import reject_product
from nextbuy.admin.reject_seller import reject_seller
from nextbuy.admin.suspend_account import suspend_account
from nextbuy.admin.suspend_seller import suspend_seller
from nextbuy.auth.model import Suspended
from nextbuy.contracts.auth import Account, ChangedAccount, SetAccountStatus, ValidateAdmin
from nextbuy.contracts.errors import BadRequest, Forbidden, Unavailable
from nextbuy.contracts.product import CopyShop, DecideProduct, ListProducts, Moderation, Product
from nextbuy.contracts.product_version import ProductVersion
from nextbuy.contracts.seller import AccountStatusApplied, ApplyAccountStatus, DecideSeller, ListSellers, Seller, Shop
from nextbuy.contracts.values import Nothing, Page, PageRequest, Price, Role, new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.http.caller import Caller
from tests.callers import caller
from tests.doubles import StubCalls

ACCOUNT_ID, PRODUCT_ID = new_id(), new_id()
SHOP = Shop(new_id(), "Kiln", "kiln", "", "books", "suspended", ACCOUNT_ID, 3)


def seller(call: DecideSeller) -> Seller:
    """Answer a decision about a seller."""
    shop = Shop(new_id(), "Shop", "shop", "", "books", call.decision, call.user_id, 2)
    return Seller(call.user_id, "Ada", "ada@example.test", shop, utc_now())


def product(call: DecideProduct) -> Product:
    """Answer a decision about a product."""
    return Product(
        id=call.product_id,
        etag='"1.7"',
        slug="mug",
        title="Mug",
        description="",
        category="books",
        price=Price(1),
        stock=1,
        tags=[],
        status=call.decision,
        shop_id=new_id(),
        picture="/picture",
        moderation=Moderation(100, call.decision, []),
        created_at=utc_now(),
    )


REPLIES: dict[type[Any], object] = {
    DecideSeller: seller,
    DecideProduct: product,
    SetAccountStatus: lambda call: ChangedAccount(call.account_id, "ada@example.test", "Ada", Role.BUYER, position=7),
    ApplyAccountStatus: AccountStatusApplied(SHOP),
    CopyShop: Nothing(),
}


@dataclass(frozen=True)
class Case:
    """A use case of admin, and the call that it must make."""

    use_case: Callable[[Deps, Caller, Any], Awaitable[object]]
    request: object
    call: type[Any]
    fields: dict[str, str]

    def __str__(self) -> str:
        return self.use_case.__name__


CASES = [
    Case(approve_seller, AccountRef(ACCOUNT_ID), DecideSeller, {"decision": "approved", "reason": ""}),
    Case(
        reject_seller,
        AccountDecision(ACCOUNT_ID, "no papers"),
        DecideSeller,
        {"decision": "rejected", "reason": "no papers"},
    ),
    Case(
        suspend_seller, AccountDecision(ACCOUNT_ID, "fraud"), DecideSeller, {"decision": "suspended", "reason": "fraud"}
    ),
    Case(approve_product, ProductRef(PRODUCT_ID), DecideProduct, {"decision": "active", "reason": ""}),
    Case(
        reject_product, ProductDecision(PRODUCT_ID, "fake"), DecideProduct, {"decision": "rejected", "reason": "fake"}
    ),
    Case(
        suspend_account,
        AccountDecision(ACCOUNT_ID, "spam"),
        SetAccountStatus,
        {"status": "suspended", "reason": "spam"},
    ),
    Case(reinstate_account, AccountDecision(ACCOUNT_ID, "ok"), SetAccountStatus, {"status": "active", "reason": "ok"}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_decision_is_sent_to_owning_service_with_admins_id(
    deps: Deps, operator: Account, calls: StubCalls, case: Case
) -> None:
    calls.replies |= REPLIES

    await case.use_case(deps, caller(operator), case.request)

    [sent] = calls.of_type(case.call)
    assert sent.by == operator.id
    assert {field: getattr(sent, field) for field in case.fields} == case.fields


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_decision_of_former_admin_is_sent_to_no_service(
    deps: Deps, operator: Account, calls: StubCalls, case: Case
) -> None:
    calls.replies[ValidateAdmin] = Suspended()

    with pytest.raises(Forbidden):
        await case.use_case(deps, caller(operator), case.request)

    assert calls.of_type(case.call) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.call is DecideProduct], ids=str)
async def test_version_that_was_read_is_sent_with_the_decision(
    deps: Deps, operator: Account, calls: StubCalls, case: Case
) -> None:
    calls.replies[case.call] = REPLIES[case.call]
    etags = {'"3.7", "x", W/"4.1", "5.9-gzip"': [ProductVersion(3, 7), ProductVersion(5, 9)], "*": None}

    for etag, seen in etags.items():
        await case.use_case(deps, caller(operator, if_match=etag), case.request)
        assert calls.of_type(case.call)[-1].seen == seen
    with pytest.raises(BadRequest):
        await case.use_case(deps, caller(operator, if_match="3.7"), case.request)
    assert len(calls.of_type(case.call)) == len(etags)


@pytest.mark.parametrize("case", [case for case in CASES if case.call is DecideSeller], ids=str)
async def test_version_of_the_shop_is_sent_with_the_decision(
    deps: Deps, operator: Account, calls: StubCalls, case: Case
) -> None:
    calls.replies |= REPLIES

    for etag, seen in {'"3", W/"4", "x", "5-gzip"': [3, 5], '"3.1"': [], "*": None}.items():
        await case.use_case(deps, caller(operator, if_match=etag), case.request)
        assert calls.of_type(case.call)[-1].seen == seen
    with pytest.raises(BadRequest):
        await case.use_case(deps, caller(operator, if_match="3"), case.request)


async def test_pending_lists_come_from_owning_services(deps: Deps, operator: Account, calls: StubCalls) -> None:
    calls.replies |= {ListProducts: Page([]), ListSellers: Page([])}

    await get_pending_products(deps, caller(operator), PageRequest(limit=7))
    await get_pending_sellers(deps, caller(operator), PageRequest(limit=7, cursor="abc"))

    assert calls.of_type(ListProducts) == [ListProducts(status="pending", limit=7, cursor=None)]
    assert calls.of_type(ListSellers) == [ListSellers(status="pending", limit=7, cursor="abc")]


@pytest.mark.parametrize("status", ["suspended", "active"])
async def test_status_of_an_account_is_applied_to_its_shop_and_products_at_once(
    deps: Deps, operator: Account, calls: StubCalls, status: Literal["active", "suspended"]
) -> None:
    calls.replies |= REPLIES

    use_case = suspend_account if status == "suspended" else reinstate_account
    decided = await use_case(deps, caller(operator), AccountDecision(ACCOUNT_ID, "spam"))

    assert type(decided) is Account
    assert calls.of_type(ApplyAccountStatus) == [
        ApplyAccountStatus(account_id=ACCOUNT_ID, status=status, reason="spam", position=7)
    ]
    assert calls.of_type(CopyShop) == [CopyShop(shop=SHOP)]


@pytest.mark.parametrize("call", [ApplyAccountStatus, CopyShop])
async def test_decision_counts_if_it_cannot_be_applied_at_once(
    deps: Deps, operator: Account, calls: StubCalls, call: type[Any]
) -> None:
    calls.replies |= {**REPLIES, call: Unavailable()}

    assert (await suspend_account(deps, caller(operator), AccountDecision(ACCOUNT_ID, "spam"))).id == ACCOUNT_ID
    assert (await suspend_seller(deps, caller(operator), AccountDecision(ACCOUNT_ID, "spam"))).user_id == ACCOUNT_ID

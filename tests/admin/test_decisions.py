"""Decisions are passed to their owners, in the name of the admin who took them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from nextbuy.admin.approve_product import approve_product
from nextbuy.admin.approve_seller import approve_seller
from nextbuy.admin.deps import Deps
from nextbuy.admin.get_pending_products import get_pending_products
from nextbuy.admin.get_pending_sellers import get_pending_sellers
from nextbuy.admin.model import OfAccount, OfAccountBecause, OfProduct, OfProductBecause
from nextbuy.admin.reinstate_account import reinstate_account
from nextbuy.admin.reject_product import reject_product
from nextbuy.admin.reject_seller import reject_seller
from nextbuy.admin.suspend_account import suspend_account
from nextbuy.admin.suspend_seller import suspend_seller
from nextbuy.contracts.auth import Account, SetAccountStatus, ValidateAdmin
from nextbuy.contracts.errors import Forbidden
from nextbuy.contracts.product import DecideProduct, ListProducts
from nextbuy.contracts.seller import DecideSeller, ListSellers
from nextbuy.contracts.values import Page, PageRequest, new_id
from nextbuy.kit.http.caller import Caller
from tests.callers import caller
from tests.doubles import StubCalls

SOMEBODY, SOMETHING = new_id(), new_id()


@dataclass(frozen=True)
class Case:
    """An act of an admin, and what its owner must be told."""

    act: Callable[[Deps, Caller, Any], Awaitable[object]]
    ask: object
    kind: type[Any]
    said: dict[str, str]

    def __str__(self) -> str:
        return self.act.__name__


CASES = [
    Case(approve_seller, OfAccount(SOMEBODY), DecideSeller, {"decision": "approved", "reason": ""}),
    Case(
        reject_seller,
        OfAccountBecause(SOMEBODY, "no papers"),
        DecideSeller,
        {"decision": "rejected", "reason": "no papers"},
    ),
    Case(
        suspend_seller, OfAccountBecause(SOMEBODY, "fraud"), DecideSeller, {"decision": "suspended", "reason": "fraud"}
    ),
    Case(approve_product, OfProduct(SOMETHING), DecideProduct, {"decision": "active", "reason": ""}),
    Case(
        reject_product, OfProductBecause(SOMETHING, "fake"), DecideProduct, {"decision": "rejected", "reason": "fake"}
    ),
    Case(
        suspend_account,
        OfAccountBecause(SOMEBODY, "spam"),
        SetAccountStatus,
        {"status": "suspended", "reason": "spam"},
    ),
    Case(reinstate_account, OfAccountBecause(SOMEBODY, "ok"), SetAccountStatus, {"status": "active", "reason": "ok"}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_decision_goes_to_its_owner_with_the_admins_name_on_it(
    deps: Deps, operator: Account, calls: StubCalls, case: Case
) -> None:
    calls.replies[case.kind] = operator
    await case.act(deps, caller(operator), case.ask)
    [sent] = calls.of_type(case.kind)
    assert sent.by == operator.id
    assert {field: getattr(sent, field) for field in case.said} == case.said


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_decision_of_somebody_who_is_no_admin_any_more_goes_nowhere(
    deps: Deps, operator: Account, calls: StubCalls, case: Case
) -> None:
    calls.replies[ValidateAdmin] = Forbidden("suspended", slug="suspended")
    with pytest.raises(Forbidden):
        await case.act(deps, caller(operator), case.ask)
    assert calls.of_type(case.kind) == []


async def test_what_waits_is_asked_of_its_owners(deps: Deps, operator: Account, calls: StubCalls) -> None:
    calls.replies |= {ListProducts: Page([]), ListSellers: Page([])}
    await get_pending_products(deps, caller(operator), PageRequest(limit=7))
    await get_pending_sellers(deps, caller(operator), PageRequest(limit=7, cursor="abc"))
    assert calls.of_type(ListProducts) == [ListProducts(status="pending", limit=7, cursor=None)]
    assert calls.of_type(ListSellers) == [ListSellers(status="pending", limit=7, cursor="abc")]

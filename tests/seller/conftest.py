"""The seller service on a real database, with a stub of auth."""

import pytest

from nextbuy.contracts.auth import Account, AuthClient, ValidateSeller, ValidateUser
from nextbuy.contracts.values import Role
from nextbuy.seller.deps import Deps
from tests.callers import account, confirm
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls


@pytest.fixture
def owner() -> Account:
    """A seller."""
    return account(Role.SELLER)


@pytest.fixture
def calls(owner: Account) -> StubCalls:
    """Calls to other services; auth confirms the owner."""
    return StubCalls({ValidateSeller: confirm, ValidateUser: confirm})


@pytest.fixture
async def deps(open_database: OpenDatabase, calls: StubCalls) -> Deps:
    """The dependencies of seller."""
    return Deps(auth=AuthClient(calls), database=await open_database("seller"))

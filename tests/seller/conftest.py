"""Seller on a real database, with auth's calls prepared."""

import pytest

from nextbuy.contracts.auth import Account, AuthClient, ValidateSeller
from nextbuy.contracts.values import Role
from nextbuy.seller.deps import Deps
from tests.callers import account
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls


@pytest.fixture
def owner() -> Account:
    """A seller."""
    return account(Role.SELLER)


@pytest.fixture
def calls(owner: Account) -> StubCalls:
    """What auth says: the token is the owner's."""
    return StubCalls({ValidateSeller: owner})


@pytest.fixture
async def deps(open_database: OpenDatabase, calls: StubCalls) -> Deps:
    """The service's needs."""
    return Deps(auth=AuthClient(calls), database=await open_database("seller"))

"""Seller on a real database, with auth's answers prepared."""

import pytest

from nextbuy.contracts.auth import Account, AuthClient, ValidateSeller
from nextbuy.contracts.values import Role
from nextbuy.seller.deps import Deps
from tests.callers import account
from tests.conftest import OpenDatabase
from tests.doubles import Answers


@pytest.fixture
def owner() -> Account:
    """A seller."""
    return account(Role.SELLER)


@pytest.fixture
def answers(owner: Account) -> Answers:
    """What auth says: the token is the owner's."""
    return Answers({ValidateSeller: owner})


@pytest.fixture
async def seller(open_database: OpenDatabase, answers: Answers) -> Deps:
    """The service's needs."""
    return Deps(auth=AuthClient(answers), database=await open_database("seller"))

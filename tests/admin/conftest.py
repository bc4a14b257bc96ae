"""Admin on a real database, with the answers of auth, product and seller prepared."""

import pytest

from nextbuy.admin.deps import Deps
from nextbuy.contracts.auth import Account, AuthClient, ValidateAdmin
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.contracts.values import Role
from tests.callers import account
from tests.conftest import OpenDatabase
from tests.doubles import Answers


@pytest.fixture
def operator() -> Account:
    """An admin."""
    return account(Role.ADMIN)


@pytest.fixture
def answers(operator: Account) -> Answers:
    """What others say: auth, that the token is the operator's."""
    return Answers({ValidateAdmin: operator})


@pytest.fixture
async def admin(open_database: OpenDatabase, answers: Answers) -> Deps:
    """The service's needs."""
    return Deps(
        auth=AuthClient(answers),
        product=ProductClient(answers),
        seller=SellerClient(answers),
        database=await open_database("admin"),
    )

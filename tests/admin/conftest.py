"""The admin service on a real database, with stubs of auth, product and seller."""

import pytest

from nextbuy.admin.changes import CHANGES
from nextbuy.admin.deps import Deps
from nextbuy.contracts.auth import Account, AuthClient, ValidateAdmin
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.contracts.values import Role
from nextbuy.kit.http.change_streams import ChangeStreams
from tests.callers import account, confirm
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls


@pytest.fixture
def operator() -> Account:
    """An admin."""
    return account(Role.ADMIN)


@pytest.fixture
def calls(operator: Account) -> StubCalls:
    """Calls to other services; auth confirms the operator."""
    return StubCalls({ValidateAdmin: confirm})


@pytest.fixture
async def deps(open_database: OpenDatabase, calls: StubCalls) -> Deps:
    """The dependencies of admin."""
    database = await open_database("admin")
    return Deps(
        auth=AuthClient(calls),
        product=ProductClient(calls),
        seller=SellerClient(calls),
        database=database,
        streams=ChangeStreams(database, CHANGES),
    )

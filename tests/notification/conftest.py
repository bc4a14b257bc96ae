"""The notification service on a real database, with the calls of auth prepared."""

from collections.abc import AsyncIterator

import pytest

from nextbuy.contracts.auth import AuthClient, ValidateAdmin
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.http.change_streams import ChangeStreams
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.notification.deps import Deps
from nextbuy.notification.mailer import StoredMailer
from nextbuy.notification.store.notifications import CHANGES
from tests.callers import confirm
from tests.conftest import DatabaseUrl
from tests.doubles import StubCalls


@pytest.fixture
def calls() -> StubCalls:
    """The replies of auth."""
    return StubCalls({ValidateAdmin: confirm})


@pytest.fixture
async def notification_url(database_url: DatabaseUrl) -> str:
    """The URL of the service's database."""
    return await database_url("notification")


@pytest.fixture
async def deps(notification_url: str, calls: StubCalls) -> AsyncIterator[Deps]:
    """The service's dependencies; mails are stored."""
    database = await Database.connect(notification_url, "notification")
    yield Deps(
        auth=AuthClient(calls),
        database=database,
        mailer=StoredMailer(),
        public_url="http://127.0.0.1:8080",
        marketplace=Marketplace(),
        journal=Journal(),
        streams=ChangeStreams(database, CHANGES),
    )
    await database.close()

"""Accounts of release 0.2.0, whose e-mail addresses had another form."""

from uuid import UUID

import pytest

from nextbuy.auth.convert_emails import convert_emails
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import ServiceHarness


async def insert(database: Database, email: str) -> UUID:
    account_id = new_id()
    sql = "INSERT INTO accounts VALUES ($1, $2, 'Ada', 'buyer', 'active', '', now())"
    await database.execute(sql, account_id, email)
    return account_id


async def email_of(database: Database, account_id: UUID) -> str:
    return str(await database.fetchval("SELECT email FROM accounts WHERE id = $1", account_id))


async def test_domain_in_unicode_becomes_its_a_label(database: Database, service: ServiceHarness) -> None:
    account_id = await insert(database, "ada@bücher.example")
    other_id = await insert(database, "ada@example.com")

    await convert_emails(service.deps)
    await convert_emails(service.deps)

    assert await email_of(database, account_id) == "ada@xn--bcher-kva.example"
    assert await email_of(database, other_id) == "ada@example.com"


@pytest.mark.parametrize("email", ["jörg@example.com", "ada@bücher.example"], ids=["invalid", "taken"])
async def test_address_that_cannot_be_converted_is_kept_and_logged(
    database: Database, service: ServiceHarness, caplog: pytest.LogCaptureFixture, email: str
) -> None:
    await insert(database, "ada@xn--bcher-kva.example")
    account_id = await insert(database, email)

    await convert_emails(service.deps)

    assert await email_of(database, account_id) == email
    assert [record.__dict__["account_id"] for record in caplog.records] == [str(account_id)]

"""Operators find accounts by id, or by the beginning of an e-mail address or a name."""

from uuid import UUID

import pytest

from nextbuy.auth.find_accounts import _FIND
from nextbuy.contracts.auth import MAX_FOUND, FindAccounts, SetAccountStatus
from nextbuy.contracts.errors import Forbidden
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import ServiceHarness


async def found(service: ServiceHarness, text: str) -> list[str]:
    return [account.email for account in (await service.call(FindAccounts(text=text), by="admin")).accounts]


@pytest.mark.parametrize("text", ["ada.w", "ADA.WINTER@EXAMPLE.COM", "ada w", "Élo", "élodie-w"])
async def test_account_is_found_by_beginning_of_its_email_or_name(service: ServiceHarness, text: str) -> None:
    name = "Ada Élodie-Winter" if "lo" in text else "Ada Winter"
    await service.register("ada.winter@example.com", name=name)
    await service.register("bob@example.com", name="Bob Summer")

    assert await found(service, text) == ["ada.winter@example.com"]


async def test_exact_email_is_first_of_bounded_results(service: ServiceHarness) -> None:
    for n in range(MAX_FOUND + 1):
        await service.register(f"ada@{n}.example.com")
    await service.register("ada@example.com.zz")

    assert len(await found(service, "ada")) == MAX_FOUND
    assert (await found(service, "ada@example.com.zz"))[0] == "ada@example.com.zz"


async def test_id_finds_only_its_account_with_its_status(service: ServiceHarness) -> None:
    user = (await service.register("ada@example.com")).json["user"]
    await service.register("eve@example.com", name=user["id"])
    call = SetAccountStatus(account_id=UUID(user["id"]), status="suspended", reason="fraud", by=new_id())
    await service.call(call, by="admin")

    [account] = (await service.call(FindAccounts(text=user["id"]), by="admin")).accounts

    assert (str(account.id), account.email, account.suspended) == (user["id"], "ada@example.com", True)


async def test_only_admin_service_may_find_accounts(service: ServiceHarness) -> None:
    for other in ("order", "notification"):
        with pytest.raises(Forbidden):
            await service.call(FindAccounts(text="ada"), by=other)


@pytest.mark.parametrize("text", ["%", "_", "\\", "ada%", "'", "\U0010ffff"])
async def test_wildcards_find_nothing(service: ServiceHarness, text: str) -> None:
    await service.register("ada@example.com", name="Ada")

    assert await found(service, text) == []


async def test_search_reads_its_indexes(service: ServiceHarness) -> None:
    async with service.deps.database.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN {_FIND}", None, "ada", MAX_FOUND))

    for index in ("accounts_by_email_prefix", "accounts_by_name", "accounts_by_last_word"):
        assert index in plan
    assert "Seq Scan" not in plan

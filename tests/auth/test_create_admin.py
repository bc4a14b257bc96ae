import pytest

from nextbuy.auth.create_admin import create_admin
from nextbuy.contracts.auth import SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import Conflict, Unauthenticated, Unprocessable
from nextbuy.contracts.values import Role, new_id
from tests.auth.service_harness import PASSWORD, ServiceHarness


async def test_create_admin_creates_account_that_can_log_in(service: ServiceHarness) -> None:
    made = await create_admin(service.deps, " Root@Example.com ", PASSWORD)
    assert (made.email, made.role, made.name) == ("root@example.com", Role.ADMIN, "Admin")
    assert (await service.login("root@example.com")).json["user"]["id"] == str(made.id)
    assert [topic for topic, _ in await service.events()] == ["account.registered"]


async def test_create_admin_again_sets_password_and_ends_sessions(service: ServiceHarness) -> None:
    made = await create_admin(service.deps, "root@example.com", PASSWORD)
    token = (await service.login("root@example.com")).json["access_token"]
    again = await create_admin(service.deps, "root@example.com", "another fine password")
    assert again == made
    assert (await service.login("root@example.com")).status == 401
    assert (await service.login("root@example.com", "another fine password")).status == 200
    with pytest.raises(Unauthenticated):
        await service.call(ValidateUser(token=token))
    assert len(await service.events()) == 1


async def test_create_admin_forgets_failed_logins_and_removes_suspension(service: ServiceHarness) -> None:
    made = await create_admin(service.deps, "root@example.com", PASSWORD)
    await create_admin(service.deps, "second@example.com", PASSWORD)
    await service.call(SetAccountStatus(account_id=made.id, status="suspended", reason="", by=new_id()), by="admin")
    for _ in range(10):
        await service.login("root@example.com", "not it")
    await create_admin(service.deps, "root@example.com", PASSWORD)
    assert (await service.login("root@example.com")).status == 200
    assert [topic for topic, _ in await service.events()][-1] == "account.reinstated"


async def test_create_admin_refuses_email_of_buyer(service: ServiceHarness) -> None:
    await service.register("ada@example.com")
    with pytest.raises(Conflict):
        await create_admin(service.deps, "ada@example.com", "another fine password")
    assert (await service.login("ada@example.com")).status == 200


@pytest.mark.parametrize(
    ("email", "password"), [("root", PASSWORD), ("root@example.com", "short"), ("root@example.com", "password123")]
)
async def test_create_admin_validates_email_and_password(service: ServiceHarness, email: str, password: str) -> None:
    with pytest.raises(Unprocessable):
        await create_admin(service.deps, email, password)

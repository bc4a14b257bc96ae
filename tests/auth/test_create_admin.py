import pytest

from nextbuy.auth.create_admin import create_admin
from nextbuy.contracts.auth import SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import Conflict, Unauthenticated, Unprocessable
from nextbuy.contracts.values import Role, new_id
from tests.auth.service_harness import PASSWORD, Desk


async def test_an_admin_is_made_from_the_command_line(desk: Desk) -> None:
    made = await create_admin(desk.deps, "Root@Example.com", PASSWORD)
    assert (made.email, made.role, made.name) == ("root@example.com", Role.ADMIN, "Admin")
    assert (await desk.login("root@example.com")).json["user"]["id"] == str(made.id)
    assert [topic for topic, _ in await desk.events()] == ["account.registered"]


async def test_making_an_admin_again_changes_the_password_and_ends_the_sessions(desk: Desk) -> None:
    made = await create_admin(desk.deps, "root@example.com", PASSWORD)
    token = (await desk.login("root@example.com")).json["access_token"]
    again = await create_admin(desk.deps, "root@example.com", "another fine password")
    assert again == made
    assert (await desk.login("root@example.com")).status == 401
    assert (await desk.login("root@example.com", "another fine password")).status == 200
    with pytest.raises(Unauthenticated):
        await desk.call(ValidateUser(token=token))
    assert len(await desk.events()) == 1


async def test_an_admin_who_is_locked_or_suspended_gets_in_again_that_way(desk: Desk) -> None:
    made = await create_admin(desk.deps, "root@example.com", PASSWORD)
    await desk.call(SetAccountStatus(account_id=made.id, status="suspended", reason="", by=new_id()), by="admin")
    for _ in range(10):
        await desk.login("root@example.com", "not it")
    await create_admin(desk.deps, "root@example.com", PASSWORD)
    assert (await desk.login("root@example.com")).status == 200
    assert [topic for topic, _ in await desk.events()][-1] == "account.reinstated"


async def test_a_buyer_does_not_become_an_admin(desk: Desk) -> None:
    await desk.register("ada@example.com")
    with pytest.raises(Conflict):
        await create_admin(desk.deps, "ada@example.com", "another fine password")
    assert (await desk.login("ada@example.com")).status == 200


@pytest.mark.parametrize(
    ("email", "password"), [("root", PASSWORD), ("root@example.com", "short"), ("root@example.com", "password123")]
)
async def test_what_a_registration_refuses_the_command_line_refuses_too(desk: Desk, email: str, password: str) -> None:
    with pytest.raises(Unprocessable):
        await create_admin(desk.deps, email, password)

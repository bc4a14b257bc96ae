from uuid import UUID

import pytest
from joserfc.jwk import ECKey

from nextbuy.auth.create_admin import create_admin
from nextbuy.auth.store import STANDING
from nextbuy.contracts.auth import GetAccounts, GetPublicKeys, ValidateAdmin, ValidateSeller, ValidateUser
from nextbuy.contracts.errors import Forbidden, Unauthenticated, Unprocessable
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.tokens import Identity, sign_token
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import PASSWORD, Desk, open_desk


async def test_a_role_is_asked_for_and_checked(desk: Desk) -> None:
    buyer = (await desk.register("buyer@example.com")).json["access_token"]
    seller = (await desk.register("seller@example.com", role="seller")).json["access_token"]
    await create_admin(desk.deps, "admin@example.com", PASSWORD)
    admin = (await desk.login("admin@example.com")).json["access_token"]
    for token, role in ((buyer, Role.BUYER), (seller, Role.SELLER), (admin, Role.ADMIN)):
        assert (await desk.call(ValidateUser(token=token))).role is role
    assert (await desk.call(ValidateSeller(token=seller))).role is Role.SELLER
    assert (await desk.call(ValidateAdmin(token=admin), by="admin")).role is Role.ADMIN
    for refused in (ValidateSeller(token=buyer), ValidateSeller(token=admin)):
        with pytest.raises(Forbidden) as caught:
            await desk.call(refused)
        assert caught.value.slug == "wrong-role"
    for token in (buyer, seller):
        with pytest.raises(Forbidden):
            await desk.call(ValidateAdmin(token=token), by="admin")


async def test_accounts_are_asked_for_in_bulk_by_who_writes_to_them_alone(desk: Desk) -> None:
    users = [(await desk.register(f"b{n}@example.com")).json["user"] for n in range(3)]
    ids = [UUID(user["id"]) for user in users]
    found = (await desk.call(GetAccounts(account_ids=[*ids, new_id()]), by="kafka")).accounts
    assert {account.id: account.email for account in found} == {UUID(user["id"]): user["email"] for user in users}
    with pytest.raises(Forbidden):
        await desk.call(GetAccounts(account_ids=ids), by="order")
    with pytest.raises(Unprocessable):
        await desk.call(GetAccounts(account_ids=[new_id()] * 101), by="kafka")


async def test_a_token_signed_by_somebody_else_is_refused(desk: Desk) -> None:
    user = (await desk.register()).json["user"]
    kid = (await desk.call(GetPublicKeys())).keys[0].kid
    session = await desk.deps.database.fetchval("SELECT id FROM sessions")
    identity = Identity(user["id"], Role.ADMIN, session, desk.watch().timestamp() + 60)
    with pytest.raises(Unauthenticated):
        await desk.call(ValidateUser(token=sign_token(identity, kid=kid, key=ECKey.generate_key("P-256"))))


async def test_a_good_token_of_a_session_that_is_gone_is_refused(desk: Desk) -> None:
    sign = await desk.deps.keys.signer()
    account = await create_admin(desk.deps, "admin@example.com", PASSWORD)
    with pytest.raises(Unauthenticated) as caught:
        await desk.call(ValidateUser(token=sign(account, new_id())))
    assert caught.value.slug == "session-ended"


async def test_validating_reads_by_primary_key_alone(desk: Desk) -> None:
    database = desk.deps.database
    await database.execute("""
        WITH a AS (
            INSERT INTO accounts (id, email, name, role, password_hash, created_at)
            SELECT gen_random_uuid(), n::text, 'x', 'buyer', '', now() FROM generate_series(1, 2000) n RETURNING id
        )
        INSERT INTO sessions (id, account_id, created_at, expires_at) SELECT gen_random_uuid(), id, now(), now() FROM a
    """)
    await database.execute("ANALYZE accounts, sessions")
    plan = await database.fetch(f"EXPLAIN {STANDING}", new_id())
    lines = "\n".join(row[0] for row in plan)
    assert "sessions_pkey" in lines
    assert "accounts_pkey" in lines
    assert "Seq Scan" not in lines


async def test_every_copy_of_auth_signs_with_the_same_key_and_verifies_what_the_others_signed(
    database: Database,
) -> None:
    desks = [await open_desk(database) for _ in range(3)]
    keys = await desks[0].call(GetPublicKeys())
    assert len(keys.keys) == 1
    assert "PRIVATE" not in keys.keys[0].pem
    token = (await desks[0].register()).json["access_token"]
    for desk in desks:
        await desk.call(ValidateUser(token=token))
        desk.deps.passwords.close()


async def test_keys_rotate_while_people_stay_logged_in(database: Database) -> None:
    old = await open_desk(database)
    token = (await old.register("ada@example.com")).json["access_token"]
    await old.deps.keys.rotate()
    new = await open_desk(database, watch=old.watch)
    first, second = (await new.call(GetPublicKeys())).keys
    assert first.kid != second.kid
    old.watch.turn(minutes=3)
    newest = await open_desk(database, watch=old.watch)
    later = (await newest.login("ada@example.com")).json["access_token"]
    for desk in (old, new, newest):
        await desk.call(ValidateUser(token=token))
    await new.call(ValidateUser(token=later))
    assert token.split(".")[0] != later.split(".")[0]
    old.watch.turn(minutes=20)
    assert len((await new.call(GetPublicKeys())).keys) == 1
    for desk in (old, new, newest):
        desk.deps.passwords.close()


async def test_the_private_key_cannot_be_read_from_the_database(desk: Desk) -> None:
    stored = await desk.deps.database.fetchval("SELECT private_pem FROM signing_keys")
    assert stored.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")

from uuid import UUID

import pytest
from joserfc.jwk import ECKey

from nextbuy.auth.create_admin import create_admin
from nextbuy.auth.store import SESSION_STATUS
from nextbuy.contracts.auth import GetAccounts, GetPublicKeys, ValidateAdmin, ValidateSeller, ValidateUser
from nextbuy.contracts.errors import Forbidden, Unauthenticated, Unprocessable
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.tokens import Identity, sign_token
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import PASSWORD, ServiceHarness, start_service


async def test_token_is_valid_only_for_required_role(service: ServiceHarness) -> None:
    buyer = (await service.register("buyer@example.com")).json["access_token"]
    seller = (await service.register("seller@example.com", role="seller")).json["access_token"]
    await create_admin(service.deps, "admin@example.com", PASSWORD)
    admin = (await service.login("admin@example.com")).json["access_token"]
    for token, role in ((buyer, Role.BUYER), (seller, Role.SELLER), (admin, Role.ADMIN)):
        assert (await service.call(ValidateUser(token=token))).role is role
    assert (await service.call(ValidateSeller(token=seller))).role is Role.SELLER
    assert (await service.call(ValidateAdmin(token=admin), by="admin")).role is Role.ADMIN
    for refused in (ValidateSeller(token=buyer), ValidateSeller(token=admin)):
        with pytest.raises(Forbidden) as caught:
            await service.call(refused)
        assert caught.value.slug == "wrong-role"
    for token in (buyer, seller):
        with pytest.raises(Forbidden):
            await service.call(ValidateAdmin(token=token), by="admin")


async def test_only_notification_service_may_get_accounts(service: ServiceHarness) -> None:
    users = [(await service.register(f"b{n}@example.com")).json["user"] for n in range(3)]
    ids = [UUID(user["id"]) for user in users]
    found = (await service.call(GetAccounts(account_ids=[*ids, new_id()]), by="notification")).accounts
    assert {account.id: account.email for account in found} == {UUID(user["id"]): user["email"] for user in users}
    for other in ("order", "kafka"):
        with pytest.raises(Forbidden):
            await service.call(GetAccounts(account_ids=ids), by=other)
    with pytest.raises(Unprocessable):
        await service.call(GetAccounts(account_ids=[new_id()] * 101), by="notification")


async def test_token_signed_with_foreign_key_is_refused(service: ServiceHarness) -> None:
    user = (await service.register()).json["user"]
    kid = (await service.call(GetPublicKeys())).keys[0].kid
    session = await service.deps.database.fetchval("SELECT id FROM sessions")
    identity = Identity(user["id"], Role.ADMIN, session, service.clock().timestamp() + 60)
    with pytest.raises(Unauthenticated):
        await service.call(ValidateUser(token=sign_token(identity, kid=kid, key=ECKey.generate_key("P-256"))))


async def test_token_of_deleted_session_is_refused(service: ServiceHarness) -> None:
    sign = await service.deps.keys.signer()
    account = await create_admin(service.deps, "admin@example.com", PASSWORD)
    with pytest.raises(Unauthenticated) as caught:
        await service.call(ValidateUser(token=sign(account, new_id())))
    assert caught.value.slug == "session-ended"


async def test_validation_reads_by_primary_key(service: ServiceHarness) -> None:
    database = service.deps.database
    await database.execute("""
        WITH a AS (
            INSERT INTO accounts (id, email, name, role, password_hash, created_at)
            SELECT gen_random_uuid(), n::text, 'x', 'buyer', '', now() FROM generate_series(1, 2000) n RETURNING id
        )
        INSERT INTO sessions (id, account_id, created_at, expires_at) SELECT gen_random_uuid(), id, now(), now() FROM a
    """)
    await database.execute("ANALYZE accounts, sessions")
    plan = await database.fetch(f"EXPLAIN {SESSION_STATUS}", new_id())
    lines = "\n".join(row[0] for row in plan)
    assert "sessions_pkey" in lines
    assert "accounts_pkey" in lines
    assert "Seq Scan" not in lines


async def test_all_processes_share_signing_key(
    database: Database,
) -> None:
    processes = [await start_service(database) for _ in range(3)]
    keys = await processes[0].call(GetPublicKeys())
    assert len(keys.keys) == 1
    assert "PRIVATE" not in keys.keys[0].pem
    token = (await processes[0].register()).json["access_token"]
    for service in processes:
        await service.call(ValidateUser(token=token))
        service.deps.passwords.close()


async def test_tokens_stay_valid_while_keys_rotate(database: Database) -> None:
    old = await start_service(database)
    token = (await old.register("ada@example.com")).json["access_token"]
    await old.deps.keys.rotate()
    new = await start_service(database, clock=old.clock)
    first, second = (await new.call(GetPublicKeys())).keys
    assert first.kid != second.kid
    old.clock.advance(minutes=3)
    newest = await start_service(database, clock=old.clock)
    later = (await newest.login("ada@example.com")).json["access_token"]
    for service in (old, new, newest):
        await service.call(ValidateUser(token=token))
    await new.call(ValidateUser(token=later))
    assert token.split(".")[0] != later.split(".")[0]
    old.clock.advance(minutes=20)
    assert len((await new.call(GetPublicKeys())).keys) == 1
    for service in (old, new, newest):
        service.deps.passwords.close()


async def test_private_key_is_stored_encrypted(service: ServiceHarness) -> None:
    stored = await service.deps.database.fetchval("SELECT private_pem FROM signing_keys")
    assert stored.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")

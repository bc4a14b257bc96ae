import asyncio
import logging
import os
from collections.abc import Iterator

import pytest

from nextbuy.auth.create_admin import create_admin
from nextbuy.contracts.auth import SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import new_id
from nextbuy.kit.observability.telemetry import Journal, route_logging
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import PASSWORD, start_service


@pytest.fixture
def journal() -> Iterator[int]:
    """The file descriptor of this process's log at level DEBUG."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    journal = Journal(writing)
    route_logging(journal, level=logging.DEBUG)
    yield reading
    root.handlers[:] = handlers
    root.setLevel(level)
    os.close(reading)
    os.close(writing)


async def test_log_contains_no_password_and_no_token(database: Database, journal: int) -> None:
    service = await start_service(database)
    wrong = "a wrong password"
    response = [await service.register("ada@example.com", x_nextbuy_cookies="yes", idempotency_key="k")]
    response += [await service.register("ada@example.com"), await service.login("ada@example.com")]
    response += [await service.refresh(response[0].json["refresh_token"]) for _ in range(2)]
    response += await asyncio.gather(*(service.login("ada@example.com", wrong) for _ in range(12)))
    await create_admin(service.deps, "root@example.com", PASSWORD)
    for token in [one.json["access_token"] for one in response if one.status < 300] + [f"eyJ{PASSWORD}"]:
        try:
            await service.call(ValidateUser(token=token))
        except AppError:
            logging.getLogger("nextbuy").exception("refused")
    user = response[0].json["user"]
    await service.call(SetAccountStatus(account_id=user["id"], status="suspended", reason="", by=new_id()), by="admin")
    await database.execute("DROP TABLE refresh_tokens CASCADE")
    broken = await service.login("root@example.com")
    assert broken.status == 500
    service.deps.passwords.close()

    log = os.read(journal, 1_000_000).decode()
    secrets = {PASSWORD, wrong, "$argon2", "PRIVATE KEY"}
    for one in response:
        if one.status < 300:
            secrets |= {one.json["access_token"], one.json["refresh_token"]}
            secrets |= {morsel.value for morsel in one.cookies.values()}
    assert "refresh token reused" in log
    assert "request failed" in log
    assert [secret for secret in secrets if secret in log] == []

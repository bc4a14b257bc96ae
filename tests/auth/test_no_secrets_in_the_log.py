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
from tests.auth.service_harness import PASSWORD, open_desk


@pytest.fixture
def journal() -> Iterator[tuple[Journal, int]]:
    """A journal that everything is logged into down to the last detail, and where to read it."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    journal = Journal(writing)
    route_logging(journal, level=logging.DEBUG)
    yield journal, reading
    root.handlers[:] = handlers
    root.setLevel(level)
    os.close(reading)
    os.close(writing)


async def test_no_line_of_the_log_ever_holds_a_password_or_a_token(
    database: Database, journal: tuple[Journal, int]
) -> None:
    desk = await open_desk(database, journal=journal[0])
    wrong = "a wrong password"
    told = [await desk.register("ada@example.com", x_nextbuy_cookies="yes", idempotency_key="k")]
    told += [await desk.register("ada@example.com"), await desk.login("ada@example.com")]
    told += [await desk.refresh(told[0].json["refresh_token"]) for _ in range(2)]
    told += await asyncio.gather(*(desk.login("ada@example.com", wrong) for _ in range(12)))
    await create_admin(desk.deps, "root@example.com", PASSWORD)
    for token in [one.json["access_token"] for one in told if one.status < 300] + [f"eyJ{PASSWORD}"]:
        try:
            await desk.call(ValidateUser(token=token))
        except AppError:
            logging.getLogger("nextbuy").exception("refused")
    user = told[0].json["user"]
    await desk.call(SetAccountStatus(account_id=user["id"], status="suspended", reason="", by=new_id()), by="admin")
    await database.execute("DROP TABLE refresh_tokens CASCADE")
    broken = await desk.login("root@example.com")
    assert broken.status == 500
    desk.deps.passwords.close()

    log = os.read(journal[1], 1_000_000).decode()
    secrets = {PASSWORD, wrong, "$argon2", "PRIVATE KEY"}
    for one in told:
        if one.status < 300:
            secrets |= {one.json["access_token"], one.json["refresh_token"]}
            secrets |= {morsel.value for morsel in one.cookies.values()}
    assert "a spent refresh token came back" in log
    assert "broke" in log
    assert [secret for secret in secrets if secret in log] == []
